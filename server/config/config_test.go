package config

import (
	"os"
	"path/filepath"
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
		"long data dir":   {args: []string{"--data-dir=/" + strings.Repeat("x", 80)}, want: "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, tc.file, tc.args...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
		})
	}
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
