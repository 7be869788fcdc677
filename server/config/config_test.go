package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func load(t *testing.T, file string, args ...string) (Config, error) {
	t.Helper()
	c := Default()
	fs := pflag.NewFlagSet("server", pflag.ContinueOnError)
	c.Flags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "slipway.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := Load(&c, fs, path)
	return c, err
}

func TestLaterSourcesWin(t *testing.T) {
	t.Setenv("SLIPWAY_ETCD_PORT", "2001")
	t.Setenv("SLIPWAY_NODE_NAME", "from-env")
	c, err := load(t, "etcdPort: 2000\napiserverPort: 7000\nnodeName: from-file\n", "--node-name=from-flag")
	if err != nil {
		t.Fatal(err)
	}
	if c.EtcdPort != 2001 || c.APIServerPort != 7000 || c.NodeName != "from-flag" || c.HTTPS != ":8443" {
		t.Fatalf("got %+v", c)
	}
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		args []string
		want string
	}{
		"unknown key":     {file: "etcdPort: 1\nnoSuchKey: 2\n", want: "[2:1]"},
		"wrong type":      {file: "etcdPort: many\n", want: "[1:11]"},
		"open plain HTTP": {args: []string{"--http=0.0.0.0:80"}, want: "loopback only"},
		"half a key pair": {args: []string{"--tls-cert=x"}, want: "both or none"},
		"bad range":       {args: []string{"--pod-cidr=10.42.0.1/16"}, want: "podCIDR"},
		"upstream host":   {file: "upstreams: {hub: https://mirror.example}\n", want: `upstreams "hub"`},
		"upstream path":   {file: "upstreams: {docker.io/library: https://mirror.example}\n", want: "docker.io/library"},
		"upstream port":   {args: []string{"--upstreams=docker.io=mirror.example:80"}, want: "not an address"},
		"upstream secret": {args: []string{"--upstreams=docker.io=https://a:b@mirror.example"}, want: "without credentials"},
		"upstream list":   {file: "upstreams: [docker.io]\n", want: "[1:12]"},
		"port":            {args: []string{"--apiserver-port=0"}, want: "apiserverPort"},
		"peers' port":     {args: []string{"--etcd-port=65535"}, want: "for its peers"},
		"port by name":    {args: []string{"--https=:https"}, want: "from 1 to 65535"},
		"port twice":      {args: []string{"--etcd-port=6442"}, want: "6443"},
		"front twice":     {args: []string{"--https=:8080"}, want: "both at port 8080"},
		"log format":      {file: "logFormat: xml\n", want: "text or json"},
		"log level":       {args: []string{"--log-level=loud"}, want: "debug, info"},
		"two documents":   {file: "etcdPort: 2000\n---\netcdPort: 2001\n", want: "second document"},
		"etcd's quota":    {args: []string{"--etcd-quota=1000"}, want: "etcdQuota"},
		"metrics' time":   {file: "metrics: {retention: 1h}\n", want: "metrics.retention"},
		"prometheus":      {args: []string{"--metrics-prometheus-url=https://u:p@x"}, want: "metrics.prometheusURL"},
		"series":          {args: []string{"--metrics-max-series=1"}, want: "metrics.maxSeries"},
		"metrics' size":   {args: []string{"--metrics-max-bytes=1"}, want: "metrics.maxBytes"},
		"long data dir":   {args: []string{"--data-dir=/" + strings.Repeat("x", 80)}, want: "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, tc.file, tc.args...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// A flag that is given as empty takes back what file and environment say.
func TestEmptyFlagWins(t *testing.T) {
	t.Setenv("SLIPWAY_NODE_IP", "192.0.2.1")
	t.Setenv("SLIPWAY_TLS_CERT", "c")
	t.Setenv("SLIPWAY_TLS_KEY", "k")
	c, err := load(t, "nodeIP: 192.0.2.2\n", "--node-ip=", "--tls-cert=", "--tls-key=")
	if err != nil || c.NodeIP != "" || c.TLSCert != "" || c.TLSKey != "" {
		t.Fatalf("%+v %v", c, err)
	}
}

func TestUnknownVariables(t *testing.T) {
	for name, known := range map[string]bool{
		"SLIPWAY_ETCD_PROT": false, "SLIPWAY_E2E_NETNS": true, "SLIPWAY_TOKEN": true, "SLIPWAY_TOKENS": false, "SLIPWAY_": false, "OTHER": true,
	} {
		c := Default()
		fs := pflag.NewFlagSet("server", pflag.ContinueOnError)
		c.Flags(fs)
		errs := unknownEnv(fs, []string{name + "=1", "SLIPWAY_ETCD_PORT=2000"})
		if (len(errs) == 0) != known || !known && !strings.Contains(errs[0].Error(), name) {
			t.Errorf("%s: %v", name, errs)
		}
	}
}

// TestDocumented: docs/configuration.md has a row for each flag, with its key.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{} // by flag
	for line := range strings.Lines(string(text)) {
		for _, word := range strings.Split(line, "`") {
			if flag, ok := strings.CutPrefix(word, "--"); ok && strings.HasPrefix(line, "| `--") && rows[flag] == "" {
				rows[flag] = line
			}
		}
	}
	keys := map[string]string{} // as they are without dots and case
	var read func(prefix string, of reflect.Type)
	read = func(prefix string, of reflect.Type) {
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if f.Type.Kind() != reflect.Struct {
				keys[strings.ToLower(strings.ReplaceAll(prefix+name, ".", ""))] = prefix + name
				continue
			}
			if name != "" {
				name = prefix + name + "."
			} else {
				name = prefix
			}
			read(name, f.Type)
		}
	}
	read("", reflect.TypeFor[Config]())
	c := Default()
	fs := pflag.NewFlagSet("server", pflag.ContinueOnError)
	c.Flags(fs)
	fs.VisitAll(func(f *pflag.Flag) {
		key := keys[strings.ReplaceAll(f.Name, "-", "")]
		if row := rows[f.Name]; row == "" || key == "" || !strings.Contains(row, "`"+key+"`") {
			t.Errorf("--%s, key %q: its row is %q", f.Name, key, row)
		} else if want := strings.TrimSuffix(f.DefValue, "0m0s"); want != "" && !strings.Contains(strings.Split(row, "|")[3], inWords(want)) {
			t.Errorf("--%s: its default is %s, its row says %q", f.Name, want, row)
		}
		delete(keys, strings.ReplaceAll(f.Name, "-", ""))
		delete(rows, f.Name)
	})
	if len(keys) > 0 {
		t.Errorf("keys that have no flag: %v", keys)
	}
	for flag, row := range rows {
		t.Errorf("no flag --%s: %s", flag, row)
	}
}

// inWords is a default as the page writes it.
func inWords(value string) string {
	if value == "4294967296" {
		return "4" // of etcd in bytes, of the metrics in GiB
	}
	return value
}

func TestUpstreams(t *testing.T) {
	c, err := load(t, "upstreams:\n  docker.io: https://mirror.example/hub\n  registry.example:5000: http://registry.example:5000\n")
	if err != nil || len(c.Upstreams) != 2 || c.Upstreams["registry.example:5000"] != "http://registry.example:5000" {
		t.Fatalf("from the file: %v %v", c.Upstreams, err)
	}
	c, err = load(t, "upstreams: {ghcr.io: https://a.example}\n", "--upstreams="+c.Upstreams.String())
	if err != nil || len(c.Upstreams) != 2 || c.Upstreams["docker.io"] != "https://mirror.example/hub" {
		t.Fatalf("from the flag: %v %v", c.Upstreams, err)
	}
	for _, text := range []string{"docker.io", "a.b=https://c.d,a.b=https://e.f"} {
		if err := new(Upstreams).Set(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestSeedsOf(t *testing.T) {
	top := t.TempDir()
	program := filepath.Join(top, "bin", "slipway")
	if got := SeedsOf(program); got != "" {
		t.Errorf("seeds from nowhere: %s", got)
	}
	for _, dir := range []string{"share/slipway/seed", "bin/seed"} {
		want := filepath.Join(top, dir)
		if err := os.MkdirAll(want, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(want, "index.json"), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := SeedsOf(program); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
