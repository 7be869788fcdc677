package helm

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// write makes a tree of files below a new directory; "-> x" makes a link to x.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			require.NoError(t, os.Symlink(target, file))
			continue
		}
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return dir
}

// example copies the chart of testdata below a new directory, as deploy.
func example(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "deploy"), os.DirFS("../testdata/chart")))
	return dir
}

var commitTime = time.Date(2026, 5, 17, 10, 30, 0, 0, time.UTC)

func request() render.Request {
	return render.Request{
		Path: "deploy", Namespace: "default", Application: "hello",
		Images:  []v1alpha1.Image{{Name: "registry.slipway.internal/default/shop", Digest: "sha256:1234"}},
		Chart:   render.Chart{Seed: []byte("a seed of at least sixteen bytes"), Time: commitTime},
		Cluster: render.Cluster{Version: "v1.37.2", APIVersions: []string{"v1", "apps/v1"}},
	}
}

func renderDir(t testing.TB, dir string, req render.Request) (*render.Answer, error) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	return render.Render(root, req, Render)
}

func objects(t testing.TB, a *render.Answer) map[string]map[string]any {
	t.Helper()
	require.NotNil(t, a.Set)
	out := map[string]map[string]any{}
	for _, o := range a.Set.Objects {
		out[o.GetKind()+"/"+o.GetName()] = o.Object
	}
	return out
}

func field(t testing.TB, o map[string]any, path ...string) any {
	t.Helper()
	var v any = o
	for _, p := range path {
		m, ok := v.(map[string]any)
		require.True(t, ok, "%v of %v", p, v)
		v = m[p]
	}
	return v
}

func TestExampleChart(t *testing.T) {
	req := request()
	req.Chart.ValueFiles = []string{"values-prod.yaml"}
	req.Chart.Values = []render.Values{{From: "secret values", Text: "greeting: planted"}, {From: "spec", Text: `{"ports":[8080,9090]}`}}
	a, err := renderDir(t, example(t), req)
	require.NoError(t, err)
	all := objects(t, a)
	var names []string
	for n := range all {
		names = append(names, n)
	}
	require.ElementsMatch(t, []string{
		"Deployment/hello-shop", "ConfigMap/hello-shop", "Secret/hello-shop", "Widget/hello-shop", "Job/hello-shop-migrate",
		"CustomResourceDefinition/widgets.shop.example", "ConfigMap/hello-cache",
	}, names)

	web := all["Deployment/hello-shop"]
	require.EqualValues(t, 3, field(t, web, "spec", "replicas"), "of the values file")
	require.Equal(t, "hello", field(t, web, "metadata", "labels", v1alpha1.LabelApplication))
	require.Equal(t, "Helm", field(t, web, "metadata", "labels", "app.kubernetes.io/managed-by"))
	text := string(a.Set.Bytes())
	require.Contains(t, text, "shop@sha256:1234")
	require.Contains(t, text, `"containerPort":9090`)

	config := all["ConfigMap/hello-shop"]["data"].(map[string]any)
	require.Equal(t, map[string]any{
		"GREETING": "planted", "MOTD": "Welcome to the shop.", "LARGE": "1000000", "KUBE": "v1.37.2",
		"WIDGETS": "yes", "KEYS": "repository,tag", "LOOKUP": "{}",
	}, config)
	require.Equal(t, "64Mi", field(t, all["ConfigMap/hello-cache"], "data", "SIZE"), "of the parent's values")
	require.Equal(t, "pre-install,pre-upgrade", field(t, all["Job/hello-shop-migrate"], "metadata", "annotations", "helm.sh/hook"))
	require.Nil(t, field(t, all["Widget/hello-shop"], "metadata", "namespace"), "its definition, in the same set, says it has none")
	require.Equal(t, render.ClockMonth, a.Clock)

	req.Chart.SkipCRDs, req.Chart.Release = true, "other"
	req.Chart.Values = []render.Values{{From: "spec", Text: "sessions: {enabled: true}\ncache: {enabled: false}"}}
	a, err = renderDir(t, example(t), req)
	require.NoError(t, err)
	all = objects(t, a)
	require.NotContains(t, all, "CustomResourceDefinition/widgets.shop.example")
	require.NotContains(t, all, "ConfigMap/other-cache")
	require.Contains(t, all, "ConfigMap/other-sessions", "an alias")
	require.NotContains(t, all["ConfigMap/other-shop"]["data"], "WIDGETS")
}

// The same input gives the same bytes, whatever directory it is in and when; another
// application gets other secrets.
func TestRenderingIsDeterministic(t *testing.T) {
	first, err := renderDir(t, example(t), request())
	require.NoError(t, err)
	for range 5 {
		again, err := renderDir(t, example(t), request())
		require.NoError(t, err)
		require.Equal(t, first.Set.Digest(), again.Set.Digest())
		require.Equal(t, first.Reads, again.Reads)
	}
	secret := func(a *render.Answer) map[string]any {
		return objects(t, a)["Secret/hello-shop"]["stringData"].(map[string]any)
	}
	later := request()
	later.Chart.Time = commitTime.AddDate(0, 0, 9)
	a, err := renderDir(t, example(t), later)
	require.NoError(t, err)
	require.Equal(t, first.Set.Digest(), a.Set.Digest(), "within a month")
	later.Chart.Time = commitTime.AddDate(0, 1, 0)
	a, err = renderDir(t, example(t), later)
	require.NoError(t, err)
	require.NotEqual(t, secret(first)["tls.crt"], secret(a)["tls.crt"], "a certificate is renewed")
	require.Equal(t, secret(first)["tls.key"], secret(a)["tls.key"], "under the same key")
	require.Equal(t, secret(first)["password"], secret(a)["password"])

	other := request()
	other.Chart.Seed = []byte("another seed of sixteen bytes...")
	b, err := renderDir(t, example(t), other)
	require.NoError(t, err)
	for _, k := range []string{"password", "token", "htpasswd", "tls.key", "ca.crt"} {
		require.NotEqual(t, secret(first)[k], secret(b)[k], k)
		require.NotEmpty(t, secret(first)[k])
	}
	none := request()
	none.Chart.Seed = nil
	_, err = renderDir(t, example(t), none)
	require.ErrorContains(t, err, "seed")
}

// What one template takes at random does not change what another one gets.
func TestRandomnessIsOfEachTemplate(t *testing.T) {
	dir := example(t)
	first, err := renderDir(t, dir, request())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "deploy/templates/a-new.yaml"),
		[]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\ndata: {x: {{ randAlphaNum 9 }}, n: \"{{ randInt 1 9 }}\", s: {{ shuffle \"abcdef\" }}}\n"), 0o644))
	second, err := renderDir(t, dir, request())
	require.NoError(t, err)
	require.Equal(t, objects(t, first)["Secret/hello-shop"], objects(t, second)["Secret/hello-shop"])
}

func TestCertificatesAreUsable(t *testing.T) {
	a, err := renderDir(t, example(t), request())
	require.NoError(t, err)
	s := objects(t, a)["Secret/hello-shop"]["stringData"].(map[string]any)
	pair, err := tls.X509KeyPair([]byte(s["tls.crt"].(string)), []byte(s["tls.key"].(string)))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(s["ca.crt"].(string))))
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "shop.default.svc", CurrentTime: commitTime})
	require.NoError(t, err)
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1", CurrentTime: commitTime.AddDate(1, 0, -1)})
	require.NoError(t, err)
}

func TestFunctionsOfTimeAndKeys(t *testing.T) {
	chart := map[string]string{
		"deploy/Chart.yaml": "apiVersion: v2\nname: x\nversion: 1.0.0\n",
		"deploy/templates/a.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: x}
data:
  now: {{ now | date "2006-01-02T15:04:05" }}
  zone: {{ dateInZone "15:04" now "Europe/Berlin" | quote }}
  nothing: {{ date "2006" "" | quote }}
  ago: {{ ago (toDate "2006-01-02" "2026-05-16") }}
  html: {{ htmlDate 0 | quote }}
  host: {{ getHostByName "localhost" | quote }}
  bytes: {{ randBytes 8 }}
  aes: {{ encryptAES "pass" "text" }}
  rsa: {{ genPrivateKey "rsa" | quote }}
  ec: {{ genPrivateKey "ecdsa" | quote }}
  ed: {{ genPrivateKey "ed25519" | quote }}
  self: {{ (genSelfSignedCert "x" (list) (list "a.example") 10).Cert | quote }}
  known: {{ (genCAWithKey "x" 10 (genPrivateKey "ecdsa")).Cert | quote }}
  values: {{ values (dict "b" 2 "a" 1) | join "," | quote }}
`,
	}
	a, err := renderDir(t, write(t, chart), request())
	require.NoError(t, err)
	require.Equal(t, render.ClockExact, a.Clock)
	d := objects(t, a)["ConfigMap/x"]["data"].(map[string]any)
	require.Equal(t, "2026-05-17T10:30:00", d["now"])
	require.Equal(t, "12:30", d["zone"])
	require.Equal(t, "2026", d["nothing"])
	require.Equal(t, "34h30m0s", d["ago"])
	require.Equal(t, "1970-01-01", d["html"])
	require.Equal(t, "", d["host"])
	require.Equal(t, "1,2", d["values"])
	for range 3 {
		again, err := renderDir(t, write(t, chart), request())
		require.NoError(t, err)
		require.Equal(t, a.Set.Digest(), again.Set.Digest())
	}
	for name, text := range map[string]string{
		"randInt": `{{ randInt 5 5 }}`, "genPrivateKey": `{{ genPrivateKey "dsa" }}`, "is no address": `{{ genSelfSignedCert "x" (list "y") (list) 1 }}`,
		"is not made": `{{ genCA "x" 99999999 }}`, "not base64": `{{ buildCustomCert "-" "-" }}`,
	} {
		chart["deploy/templates/a.yaml"] = text
		_, err = renderDir(t, write(t, chart), request())
		require.ErrorContains(t, err, name)
	}
}

func TestErrorsNameTheTemplateAndTheLine(t *testing.T) {
	for _, c := range []struct {
		name, want string
		files      map[string]string
		values     string
	}{
		{"parse", "deploy/templates/a.yaml:2:", map[string]string{"templates/a.yaml": "a: 1\nb: {{ nosuch }}\n"}, ""},
		{"open action", "deploy/templates/a.yaml:2: unclosed action", map[string]string{"templates/a.yaml": "b: {{ .Values\n"}, ""},
		{"nil", "deploy/templates/a.yaml:3:14: ", map[string]string{"templates/a.yaml": "a: 1\n\nb: {{ .Values.none.deep }}\n"}, ""},
		{"fail", "deploy/templates/a.yaml:1:4: no way", map[string]string{"templates/a.yaml": "{{ fail \"no way\" }}\n"}, ""},
		{"required", "deploy/templates/a.yaml:2:4: host must be given", map[string]string{"templates/a.yaml": "\n{{ required \"host must be given\" .Values.host }}\n"}, ""},
		{"partial", "deploy/templates/_h.tpl:2:11: ", map[string]string{"templates/_h.tpl": "{{ define \"h\" }}\n{{ .Values.none.deep }}{{ end }}", "templates/a.yaml": "{{ include \"h\" . }}"}, ""},
		{"by way of", "(by way of deploy/templates/a.yaml:1)", map[string]string{"templates/_h.tpl": "{{ define \"h\" }}\n{{ .Values.none.deep }}{{ end }}", "templates/a.yaml": "{{ include \"h\" . }}"}, ""},
		{"no template", "deploy/templates/a.yaml:1:4: ", map[string]string{"templates/a.yaml": "{{ include \"nosuch\" . }}"}, ""},
		{"result", "deploy/templates/a.yaml: what it renders to is no manifest: line 2 of that (b:): a tab indents", map[string]string{"templates/a.yaml": "a: 1\n\tb: 2\n"}, ""},
		{"result with a key", "what it renders to is no manifest: line 3 of that (oops:): ", map[string]string{"templates/a.yaml": "a: 1\nb: 2\n oops: {{ .Release.Name }}\n"}, ""},
		{"no kind", "deploy/templates/a.yaml: apiVersion and kind must be given", map[string]string{"templates/a.yaml": "a: 1\n"}, ""},
		{"values file", "deploy/values.yaml:1: ", map[string]string{"values.yaml": "a: [\n"}, ""},
		{"values", "spec:2: ", nil, "a: 1\n b: 2\n"},
		{"schema", "spec:2:8: deploy/values.schema.json does not allow this: at '/count': got string, want integer", map[string]string{"values.schema.json": `{"properties":{"count":{"type":"integer"}}}`}, "a: 1\ncount: many"},
		{"schema of a default", "deploy/values.yaml:1:8: deploy/values.schema.json does not allow this: ", map[string]string{"values.schema.json": `{"properties":{"count":{"type":"integer"}}}`, "values.yaml": "count: many"}, ""},
		{"schema wants more", "deploy/values.schema.json: the values do not satisfy it: at '': missing property 'host'", map[string]string{"values.schema.json": `{"required":["host"]}`}, ""},
		{"schema of a subchart", "spec:1:13: deploy/charts/sub/values.schema.json does not allow this: ", map[string]string{
			"charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n", "charts/sub/values.schema.json": `{"properties":{"size":{"type":"integer"}}}`}, "sub: {size: x}"},
		{"schema of a parent", "spec:1:13: deploy/values.schema.json does not allow this: at '/sub/size': got string, want integer", map[string]string{
			"charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n", "values.schema.json": `{"properties":{"sub":{"type":"object","properties":{"size":{"type":"integer"}}}}}`}, "sub: {size: x}"},
		{"dependency", `deploy/Chart.yaml:5:9: dependency "db" 1.x is not in the charts directory, and no repository`, map[string]string{"Chart.yaml": "apiVersion: v2\nname: x\nversion: 1.0.0\ndependencies:\n- name: db\n  version: 1.x\n"}, ""},
		{"chart", "deploy/Chart.yaml", map[string]string{"Chart.yaml": "apiVersion: v2\nname: x\nversion: one\n"}, ""},
		{"library", "is a library", map[string]string{"Chart.yaml": "apiVersion: v2\nname: x\nversion: 1.0.0\ntype: library\n"}, ""},
		{"kubernetes", "wants Kubernetes >=9, and this is v1.37.2", map[string]string{"Chart.yaml": "apiVersion: v2\nname: x\nversion: 1.0.0\nkubeVersion: '>=9'\n"}, ""},
		{"nothing", "holds no manifests", map[string]string{"templates/a.yaml": "{{ if false }}a: 1{{ end }}"}, ""},
		{"subchart", "deploy/charts/sub/templates/a.yaml:1:11: ", map[string]string{"charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n", "charts/sub/templates/a.yaml": "{{ .Values.none.deep }}"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"deploy/Chart.yaml": "apiVersion: v2\nname: x\nversion: 1.0.0\n"}
			for n, text := range c.files {
				files["deploy/"+n] = text
			}
			req := request()
			if c.values != "" {
				req.Chart.Values = []render.Values{{From: "spec", Text: c.values}}
			}
			_, err := renderDir(t, write(t, files), req)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), markName)
			var refusal *render.Error
			require.ErrorAs(t, err, &refusal)
		})
	}
}

func TestValues(t *testing.T) {
	files := map[string]string{
		"deploy/Chart.yaml":       "apiVersion: v2\nname: x\nversion: 1.0.0\n",
		"deploy/values.yaml":      "a: chart\nb: chart\nc: chart\nd: chart\nkeep: {p: 1, q: 2}\n",
		"deploy/one.yaml":         "b: one\nc: one\nd: one\nkeep: {q: 3}\n",
		"env/two.yaml":            "c: two\nd: two\n",
		"deploy/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {all: {{ .Values | toJson | squote }}}\n",
	}
	req := request()
	req.Chart.ValueFiles = []string{"one.yaml", "/env/two.yaml"}
	req.Chart.Values = []render.Values{{From: "ConfigMap v", Text: "d: map\n"}, {From: "spec", Text: `{"keep":{"p":null}}`}}
	a, err := renderDir(t, write(t, files), req)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(objects(t, a)["ConfigMap/x"]["data"].(map[string]any)["all"].(string)), &got))
	require.Equal(t, map[string]any{"a": "chart", "b": "one", "c": "two", "d": "map", "keep": map[string]any{"q": 3.0}}, got)

	req.Chart.ValueFiles, req.Chart.IgnoreMissing = []string{"one.yaml", "none.yaml", "/env/none.yaml"}, true
	a, err = renderDir(t, write(t, files), req)
	require.NoError(t, err, "files that are not there are passed over where that is asked for")
	require.Contains(t, a.Reads, render.Read{Path: "env/none.yaml", How: render.ReadStat}, "and looked for at the next push")
	req.Chart.ValueFiles = []string{"../../etc/passwd"}
	_, err = renderDir(t, write(t, files), req)
	require.ErrorContains(t, err, "leaves the repository", "all the same")
	req.Chart.IgnoreMissing = false

	for name, want := range map[string]string{
		"none.yaml": "is not in the commit (deploy/none.yaml); there are one.yaml, values.yaml", "../../etc/passwd": "leaves the repository", "x\x00": "leaves the repository", "/../x": "leaves the repository",
	} {
		req.Chart.ValueFiles = []string{name}
		_, err = renderDir(t, write(t, files), req)
		require.ErrorContains(t, err, want, name)
	}
}

// Every file of the chart that was read is known, for the cache.
func TestReads(t *testing.T) {
	a, err := renderDir(t, example(t), request())
	require.NoError(t, err)
	read := map[render.Read]bool{}
	for _, r := range a.Reads {
		read[r] = true
	}
	require.NoError(t, fs.WalkDir(os.DirFS("../testdata"), "chart", func(p string, e fs.DirEntry, err error) error {
		p = "deploy" + strings.TrimPrefix(p, "chart")
		how := render.ReadFile
		if e.IsDir() {
			how = render.ReadList
		}
		require.True(t, read[render.Read{Path: p, How: how}], "%s %s", how, p)
		return err
	}))
}
