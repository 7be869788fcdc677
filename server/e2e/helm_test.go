package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	api "slipway.dev/cluster/api/v1alpha1"
)

// sopsFile is one that SOPS encrypted for the key age.key beside it.
func sopsFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(top, "gitops", "render", "sops", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestChart pushes a chart whose values are in the repository, in a ConfigMap and in a
// file that SOPS encrypted. Its pod runs only if it was given all of them.
func TestChart(t *testing.T) {
	together(t)
	r := newRepo(t, "charted", map[string]string{
		"charts/web/Chart.yaml":   "apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: '>=1.30-0'\n",
		"charts/web/values.yaml":  "greeting: none\npassword: none\n",
		"charts/web/secrets.json": sopsFile(t, "values.json"),
		"charts/web/templates/secret.yaml": `apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
stringData: {PASSWORD: {{ .Values.password | quote }}, RANDOM: {{ randAlphaNum 20 }}}
`,
		"charts/web/templates/web.yaml": strings.ReplaceAll(strings.Replace(web,
			`"echo started; exec httpd -f -p 8080"`, `'test "$PASSWORD" = planted-json && test "$GREETING" = "{{ .Values.greeting }}" && exec httpd -f -p 8080'`, 1),
			"NAME", "{{ .Release.Name }}") + `        envFrom: [{secretRef: {name: {{ .Release.Name }}}}]
        env: [{name: GREETING, value: {{ .Values.greeting | quote }}}, {name: KUBERNETES, value: {{ .Capabilities.KubeVersion.Version }}}]
`,
	})
	cleanUp(t, "kubectl", "delete", "secret/charted-age", "configmap/charted-values", "--ignore-not-found")
	must(t, "kubectl", "create", "secret", "generic", "charted-age", "--from-file="+filepath.Join(top, "gitops", "render", "sops", "testdata", "age.key"))
	must(t, "kubectl", "create", "configmap", "charted-values", "--from-literal=values.yaml=greeting: hello")
	must(t, "app", "create", "charted", "--path", "charts/web", "--values", "secrets.json", "--age-secret", "charted-age")
	must(t, "kubectl", "patch", "application", "charted", "--type", "merge", "-p", `{"spec":{"source":{"helm":{"valuesFrom":[{"kind":"ConfigMap","name":"charted-values"}]}}}}`)
	r.push()
	app, err := user.WaitApp(within(t), "charted", 1)
	if err != nil {
		t.Fatalf("%v\n%s", err, must(t, "app", "history", "charted"))
	}
	if in := app.Spec.Desired.Inputs; in == nil || in.Values == "" {
		t.Errorf("the value does not say what it was made of: %+v", app.Spec.Desired)
	}
	secret := func(key string) string {
		return must(t, "kubectl", "get", "secret", "charted", "-o", "go-template={{.data."+key+" | base64decode}}")
	}
	if got := secret("PASSWORD"); got != "planted-json" {
		t.Errorf("the secret is %q", got)
	}
	random := secret("RANDOM")

	// Other values are another release, of the same commit.
	must(t, "kubectl", "patch", "configmap", "charted-values", "--type", "merge", "-p", `{"data":{"values.yaml":"greeting: good day"}}`)
	app, err = user.WaitApp(within(t), "charted", 2)
	if err != nil {
		t.Fatal(err)
	}
	if app.Spec.Desired.Cause != api.CauseInputs {
		t.Errorf("its cause is %q", app.Spec.Desired.Cause)
	}
	if got := secret("RANDOM"); got != random {
		t.Error("what is random changed with the release")
	}
	// What was encrypted is shown nowhere.
	r.write(map[string]string{"charts/web/templates/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: charted}\ndata: {copy: {{ .Values.password }}, \"n\": {{ .Values.none.deep }}}\n"})
	r.push()
	rel, err := user.WaitRelease(t.Context(), "charted-3")
	if err != nil {
		t.Fatal(err)
	}
	if rel.Status.Result != api.ReleaseFailed || !strings.Contains(rel.Status.Reason, "charts/web/templates/more.yaml:4:") {
		t.Errorf("%s: %s", rel.Status.Result, rel.Status.Reason)
	}
	r.write(map[string]string{"charts/web/templates/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: charted}\ndata: {copy: {{ .Values.password }}}\n"})
	must(t, "kubectl", "patch", "application", "charted", "--type", "merge", "-p", `{"spec":{"sync":"manual"}}`)
	r.push()
	must(t, "app", "sync", "charted")
	if _, err := user.WaitApp(within(t), "charted", 4); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		must(t, "app", "diff", "charted", "--exit-code=false"), must(t, "app", "history", "charted", "-o", "yaml"), must(t, "kubectl", "get", "application", "charted", "-o", "yaml"),
		must(t, "kubectl", "get", "events"), serverLog(1000),
	} {
		if strings.Contains(out, "planted-json") {
			t.Errorf("what was encrypted is shown: %.2000s", out)
		}
	}
}

// charts is a chart repository: versions of one chart, each a ConfigMap.
type charts struct {
	*httptest.Server
	mu       sync.Mutex
	versions []string
}

func newCharts(t *testing.T) *charts {
	c := &charts{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if path.Base(r.URL.Path) != "index.yaml" {
			version := strings.TrimSuffix(strings.TrimPrefix(path.Base(r.URL.Path), "note-"), ".tgz")
			_, _ = w.Write(packedChart(version))
			return
		}
		fmt.Fprintln(w, "apiVersion: v1\nentries:\n  note:")
		for _, v := range c.versions {
			fmt.Fprintf(w, "  - {name: note, version: %s, urls: [note-%[1]s.tgz]}\n", v)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *charts) add(version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.versions = append(c.versions, version)
}

// packedChart is the same bytes each time: other bytes of a version are another input.
func packedChart(version string) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, file := range [][2]string{
		{"note/Chart.yaml", "apiVersion: v2\nname: note\nversion: " + version + "\n"},
		{"note/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {version: {{ .Chart.Version | quote }}}\n"},
	} {
		_ = tw.WriteHeader(&tar.Header{Name: file[0], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(file[1]))})
		_, _ = io.WriteString(tw, file[1])
	}
	_ = tw.Close()
	_ = zw.Close()
	return b.Bytes()
}

// TestChartsFromElsewhere follows a range of versions of a chart repository, and a chart
// of the server's own registry, without any repository of Git.
func TestChartsFromElsewhere(t *testing.T) {
	together(t)
	c := newCharts(t)
	for _, v := range []string{"1.0.0", "2.0.0"} {
		c.add(v)
	}
	version := func(app string) string {
		return must(t, "kubectl", "get", "configmap", app, "-o", "jsonpath={.data.version}")
	}
	cleanUp(t, "kubectl", "delete", "application.slipway.dev", "note", "own", "--ignore-not-found", "--timeout=5m")
	must(t, "app", "create", "note", "--chart-repo", c.URL, "--chart", "note", "--chart-version", "^1")
	if _, err := user.WaitApp(within(t), "note", 1); err != nil {
		t.Fatalf("%v\n%s\n%s", err, must(t, "kubectl", "get", "application", "note", "-o", "yaml"), serverLog(30))
	}
	if got := version("note"); got != "1.0.0" {
		t.Errorf("version %s", got)
	}
	if out := must(t, "app", "history", "note"); !strings.Contains(out, "note 1.0.0") {
		t.Errorf("the history does not name the chart:\n%s", out)
	}
	c.add("1.3.0")
	eventually(t, func() error { // the index is looked at once a minute at most
		if out, err := slipway(t, "app", "sync", "note"); err != nil {
			return fmt.Errorf("%w %s", err, out)
		}
		if got := version("note"); got != "1.3.0" {
			return fmt.Errorf("version %s", got)
		}
		return nil
	})

	image, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{
		Layer: static.NewLayer(packedChart("0.9.0"), "application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
	})
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(strings.TrimPrefix(user.Server, "http://")+"/default/charts/note:0.9.0", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image, remote.WithAuth(&authn.Basic{Username: "admin", Password: mustToken(t)})); err != nil {
		t.Fatal(err)
	}
	must(t, "app", "create", "own", "--chart-repo", "oci://"+api.RegistryHost+"/default/charts", "--chart", "note")
	if _, err := user.WaitApp(within(t), "own", 1); err != nil {
		t.Fatal(err)
	}
	if got := version("own"); got != "0.9.0" {
		t.Errorf("version %s", got)
	}
	if out, err := slipway(t, "app", "create", "nowhere", "--chart", "note"); err == nil || !strings.Contains(out, "chart and repository are given together") {
		t.Errorf("a chart without a place: %v %s", err, out)
	}
}
