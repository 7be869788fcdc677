package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/gitops/render"
)

// TestMain lets the test binary be the child that render.Runner starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "render" {
		if err := render.Main(os.Stdin, os.Stdout, Render); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type entry struct {
	name, content string
	kind          byte
	link          string
	zeros         int64
}

// pack makes a chart archive of entries as they are.
func pack(t testing.TB, entries ...entry) string {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o644, Size: int64(len(e.content)) + e.zeros}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		require.NoError(t, tw.WriteHeader(h))
		_, err := io.WriteString(tw, e.content)
		require.NoError(t, err)
		_, err = io.CopyN(tw, zeros{}, e.zeros)
		require.NoError(t, err)
	}
	require.NoError(t, tw.Close())
	require.NoError(t, zw.Close())
	return b.String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

const manifestYAML = "apiVersion: v2\nname: x\nversion: 1.0.0\n"

func packed(t testing.TB, more ...entry) string {
	return pack(t, append([]entry{{name: "x/Chart.yaml", content: manifestYAML}, {name: "x/templates/a.yaml", content: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"}}, more...)...)
}

func archived(t testing.TB, archive string) (string, render.Request) {
	req := request()
	req.Chart.Archive = render.BroughtDir + "/x.tgz"
	return write(t, map[string]string{req.Chart.Archive: archive}), req
}

func TestArchive(t *testing.T) {
	inner := packed(t, entry{name: "x/values.yaml", content: "a: 1\n"})
	dir, req := archived(t, packed(t,
		entry{name: "x/values-more.yaml", content: "{}\n"}, entry{name: "x/crds", kind: tar.TypeDir},
		entry{name: "x/charts/x.tgz", content: inner}))
	req.Chart.ValueFiles, req.Chart.FilesOfChart = []string{"values-more.yaml"}, true
	req.Chart.Values = []render.Values{{From: "spec", Text: "{}"}}
	_, err := renderDir(t, dir, req)
	require.ErrorContains(t, err, `ConfigMap "hello" is given twice`, "the subchart renders the same")

	dir, req = archived(t, packed(t))
	a, err := renderDir(t, dir, req)
	require.NoError(t, err)
	require.Contains(t, objects(t, a), "ConfigMap/hello")
	require.Empty(t, a.Reads, "nothing of the repository was read")
	req.Chart.ValueFiles, req.Chart.FilesOfChart = []string{"none.yaml"}, true
	_, err = renderDir(t, dir, req)
	require.ErrorContains(t, err, "is not in the chart")
}

// Threats 1, 2, 9 and 10: a packed chart that wants out, or is larger than it looks.
func TestHostileArchives(t *testing.T) {
	for name, c := range map[string]struct{ archive, want string }{
		"traversal":      {packed(t, entry{name: "x/../../etc/passwd", content: "x"}), "leaves the chart"},
		"dots":           {packed(t, entry{name: "x/./a", content: "x"}), "leaves the chart"},
		"parent":         {packed(t, entry{name: "../x", content: "x"}), "leaves the chart"},
		"absolute":       {packed(t, entry{name: "/etc/cron.d/x", content: "x"}), "leaves the chart"},
		"windows":        {packed(t, entry{name: `x\..\..\a`, content: "x"}), "leaves the chart"},
		"drive":          {packed(t, entry{name: "x/c:/a", content: "x"}), "leaves the chart"},
		"symbolic link":  {packed(t, entry{name: "x/values.yaml", kind: tar.TypeSymlink, link: "/etc/passwd"}), "is a link or a device"},
		"hard link":      {packed(t, entry{name: "x/values.yaml", kind: tar.TypeLink, link: "/etc/passwd"}), "is a link or a device"},
		"device":         {packed(t, entry{name: "x/dev", kind: tar.TypeChar}), "is a link or a device"},
		"twice":          {packed(t, entry{name: "x/Chart.yaml", content: "name: y"}), "is in it twice"},
		"zeros":          {packed(t, entry{name: "x/zeros", zeros: 1 << 30}), "more than 64 MiB are read"},
		"many":           {packed(t, many(6000)...), "more than 5000 files are read"},
		"directories":    {packed(t, dirs(6000)...), "more than 5000 files are read"},
		"bomb in a bomb": {packed(t, entry{name: "x/charts/y.tgz", content: packed(t, entry{name: "x/zeros", zeros: 1 << 30})}), "more than 64 MiB are read"},
		"not a chart":    {pack(t, entry{name: "x/readme.md", content: "x"}), "there is no Chart.yaml"},
		"not gzip":       {"hello", "this is not a packed chart"},
		"cut short":      {packed(t)[:100], "unpack"},
		"nested":         {nested(t, 20), "nested more than"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, req := archived(t, c.archive)
			began := time.Now()
			_, err := renderDir(t, dir, req)
			require.ErrorContains(t, err, c.want)
			var refusal *render.Error
			require.ErrorAs(t, err, &refusal)
			require.Less(t, time.Since(began), time.Minute)
		})
	}
}

func many(n int) (out []entry) {
	for i := range n {
		out = append(out, entry{name: fmt.Sprintf("x/files/%d", i)})
	}
	return out
}

func dirs(n int) (out []entry) {
	for i := range n {
		out = append(out, entry{name: fmt.Sprintf("x/files/%d/", i), kind: tar.TypeDir})
	}
	return out
}

func nested(t testing.TB, n int) string {
	archive := packed(t)
	for range n {
		archive = packed(t, entry{name: "x/charts/x.tgz", content: archive})
	}
	return archive
}

// Templates that never end, or render to more than anybody wants, end the child and
// nothing else; the message says which limit it was.
func TestHostileTemplates(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of CPU on purpose")
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := "*" + string(c-1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat(p+",", 8) + p + "]\n"
	}
	runner := &render.Runner{CPU: 4, Deadline: 5 * time.Minute} // a busy machine takes long to give that much
	for _, c := range []struct{ name, template, values, want string }{
		{"100 MB", `{{ range until 100 }}{{ repeat 1048576 "x" }}{{ end }}`, "", "renders to 100 MiB; at most 32 MiB are allowed"},
		{"gigabytes", `{{ range until 100000 }}{{ repeat 1048576 "x" }}{{ end }}`, "", "rendering needs more than"},
		{"long list", `{{ until 2000000000 }}`, "", "rendering needs more than"},
		{"endless loops", `{{ range until 30000 }}{{ range until 30000 }}{{ range until 30000 }}{{ end }}{{ end }}{{ end }}`, "", "of CPU"},
		{"recursion by include", `{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, "", "nested reference name"},
		{"recursion by template", `{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`, "", "exceeded maximum template depth"},
		{"recursion by tpl", `{{ define "a" }}{{ tpl "{{ include \"a\" . }}" . }}{{ end }}{{ include "a" . }}`, "", ""},
		{"slow expression", `{{ regexMatch "(a|aa)+$" (repeat 30000000 "a") }}`, "", ""},
		{"alias bomb in what it renders", strings.ReplaceAll(bomb, "{{", ""), "", "once aliases are expanded"},
		{"alias bomb in values", `a: 1`, bomb, "once aliases are expanded"},
		{"deep values", `a: 1`, "a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested more than"},
		{"many objects", `{{ range until 3000 }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: x{{ . }}}
{{ end }}`, "", "more than 2000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"deploy/Chart.yaml": manifestYAML, "deploy/templates/a.yaml": c.template})
			req := request()
			if c.values != "" {
				req.Chart.Values = []render.Values{{From: "spec", Text: c.values}}
			}
			began := time.Now()
			_, err := runner.Render(context.Background(), dir, req)
			require.Error(t, err)
			require.ErrorContains(t, err, c.want)
			t.Logf("%s: %.300v", time.Since(began).Round(time.Millisecond), err)
			var refusal *render.Error
			require.ErrorAs(t, err, &refusal)
		})
	}
	req := request()
	req.Chart.Values = []render.Values{{From: "spec", Text: "a: " + strings.Repeat("x", 9<<20)}}
	_, err := runner.Render(context.Background(), example(t), req)
	require.ErrorContains(t, err, "the values are larger than 8 MiB")
	_, err = (&render.Runner{Deadline: time.Millisecond}).Render(context.Background(), example(t), request())
	require.ErrorContains(t, err, "rendering took longer than 1ms")
}

// Threat 1: nothing outside is read by a chart, its schema or its dependencies.
func TestHostileCharts(t *testing.T) {
	outside := write(t, map[string]string{"Chart.yaml": manifestYAML, "planted": "planted-secret", "schema.json": `{"type":"string"}`})
	base := map[string]string{"deploy/Chart.yaml": manifestYAML, "deploy/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {x: {{ .Files.Get \"f\" | quote }}}\n"}
	for name, c := range map[string]struct {
		want  string
		files map[string]string
	}{
		"link of a file":      {"deploy/f: symbolic link to", map[string]string{"deploy/f": "-> " + outside + "/planted"}},
		"link of templates":   {"leaves the repository", map[string]string{"deploy/templates": "-> " + outside}},
		"link of the chart":   {"leaves the repository", map[string]string{"deploy": "-> " + outside}},
		"link of values":      {"leaves the repository", map[string]string{"deploy/values.yaml": "-> ../../../../etc/passwd"}},
		"schema of a file":    {"is not fetched", map[string]string{"deploy/values.schema.json": `{"$ref":"file://` + outside + `/schema.json"}`}},
		"schema of a server":  {"is not fetched", map[string]string{"deploy/values.schema.json": `{"$ref":"http://169.254.169.254/latest"}`}},
		"dependency outside":  {"leaves the repository", map[string]string{"deploy/Chart.yaml": manifestYAML + "dependencies: [{name: x, version: 1.0.0, repository: 'file://../../" + filepath.Base(outside) + "'}]\n"}},
		"dependency absolute": {"leaves the repository", map[string]string{"deploy/Chart.yaml": manifestYAML + "dependencies: [{name: x, version: 1.0.0, repository: 'file://" + outside + "'}]\n"}},
		"dependency by alias": {"is a name of one machine", map[string]string{"deploy/Chart.yaml": manifestYAML + "dependencies: [{name: y, version: 1.0.0, repository: '@stable'}]\n"}},
		"dependency by ext":   {"is neither", map[string]string{"deploy/Chart.yaml": manifestYAML + "dependencies: [{name: y, version: 1.0.0, repository: 'ext::sh'}]\n"}},
		"dependency missing":  {"is not in the charts directory", map[string]string{"deploy/Chart.yaml": manifestYAML + "dependencies: [{name: y, version: 1.0.0}]\n"}},
		"dependency range":    {"is a range", map[string]string{"deploy/Chart.yaml": manifestYAML + "dependencies: [{name: y, version: ^1, repository: 'https://charts.example'}]\n"}},
		"own dependency":      {"more than 200 charts", map[string]string{"deploy/Chart.yaml": manifestYAML + "dependencies: [{name: x, version: 1.0.0, repository: 'file://../deploy'}]\n"}},
		"encrypted":           {"deploy/values.yaml: is encrypted with SOPS", map[string]string{"deploy/values.yaml": encrypted}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for n, text := range base {
				files[n] = text
			}
			for n, text := range c.files {
				if strings.HasPrefix(text, "-> ") {
					for have := range files {
						if strings.HasPrefix(have, n+"/") {
							delete(files, have)
						}
					}
				}
				files[n] = text
			}
			_, err := renderDir(t, write(t, files), request())
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "planted-secret")
		})
	}
}

const encrypted = `password: ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]
sops:
    lastmodified: "2026-01-01T00:00:00Z"
    mac: ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]
    version: 3.13.3
`

func TestDependencies(t *testing.T) {
	files := map[string]string{
		"deploy/Chart.yaml": manifestYAML + `dependencies:
- {name: near, version: ">=0.1", repository: "file://../near"}
- {name: far, version: ^1.2, repository: "https://charts.example/stable/"}
- {name: exact, version: 2.0.0, repository: "oci://registry.example/charts"}
`,
		"deploy/Chart.lock":         "dependencies:\n- {name: far, version: 1.2.9, repository: 'https://charts.example/stable'}\n",
		"near/Chart.yaml":           "apiVersion: v2\nname: near\nversion: 0.2.0\n",
		"near/templates/a.yaml":     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: near}\n",
		render.BroughtDir + "/f.tg": pack(t, entry{name: "far/Chart.yaml", content: "apiVersion: v2\nname: far\nversion: 1.2.9\n"}, entry{name: "far/templates/a.yaml", content: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far}\n"}),
		render.BroughtDir + "/e.tg": pack(t, entry{name: "exact/Chart.yaml", content: "apiVersion: v2\nname: exact\nversion: 2.0.0\n"}, entry{name: "exact/templates/a.yaml", content: "{{ .Values.none.deep }}"}),
	}
	dir := write(t, files)
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	a, err := render.Render(root, request(), Render)
	require.NoError(t, err)
	require.Equal(t, []render.Need{
		{Kind: render.NeedChart, Name: "far", Version: "1.2.9", Repository: "https://charts.example/stable", File: "deploy/Chart.yaml", Line: 6},
		{Kind: render.NeedChart, Name: "exact", Version: "2.0.0", Repository: "oci://registry.example/charts", File: "deploy/Chart.yaml", Line: 7},
	}, a.Needs)

	req := request()
	req.Brought = map[string]string{a.Needs[0].Key(): render.BroughtDir + "/f.tg", a.Needs[1].Key(): render.BroughtDir + "/e.tg"}
	_, err = render.Render(root, req, Render)
	require.ErrorContains(t, err, "deploy/charts/exact/templates/a.yaml:1:")
	req.Chart.Values = []render.Values{{From: "spec", Text: "exact: {none: {deep: ''}}"}}
	a, err = render.Render(root, req, Render)
	require.NoError(t, err)
	require.Contains(t, objects(t, a), "ConfigMap/near")
	require.Contains(t, objects(t, a), "ConfigMap/far")

	req.Brought[render.Need{Kind: render.NeedChart, Name: "far", Version: "1.2.9", Repository: "https://charts.example/stable"}.Key()] = render.BroughtDir + "/e.tg"
	_, err = render.Render(root, req, Render)
	require.ErrorContains(t, err, `dependency "far" ^1.2: what is there is "exact" 2.0.0`)
}

func FuzzUnpack(f *testing.F) {
	for _, seed := range []string{packed(f), pack(f), packed(f, entry{name: "x/../a"}), packed(f, entry{name: "x/charts/y.tgz", content: packed(f)}), "\x1f\x8b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &loader{tree: &render.Tree{}}
		files, err := l.unpack("f.tgz", data, 0)
		if err != nil {
			return
		}
		for _, file := range files {
			if name, ok := inside("x/" + file.Name); !ok || name != file.Name {
				t.Fatalf("%q is not inside", file.Name)
			}
		}
		_, _ = (&loader{tree: &render.Tree{}}).chart(files, "chart", 0)
	})
}
