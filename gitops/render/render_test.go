package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      initContainers:
      - {name: init, image: registry.slipway.internal/default/hello}
      containers:
      - {name: web, image: "registry.slipway.internal/default/hello:latest"}
      - {name: side, image: "registry.slipway.internal/default/hello-side:1"}
      - {name: fixed, image: "registry.slipway.internal/default/hello@sha256:aa"}
`

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

func renderDir(t testing.TB, dir string, req Request) (*Set, error) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	a, err := Render(root, req, nil)
	if err != nil {
		return nil, err
	}
	require.Empty(t, a.Needs)
	return a.Set, nil
}

func request() Request {
	return Request{Namespace: "default", Application: "hello", Images: []v1alpha1.Image{
		{Name: "registry.slipway.internal/default/hello", Digest: "sha256:1234"},
	}}
}

func TestPlainFillsInDigestsNamespaceAndLabel(t *testing.T) {
	dir := write(t, map[string]string{
		"deploy/b.yaml":     deployment,
		"deploy/a.yml":      "apiVersion: v1\nkind: Service\nmetadata: {name: hello}\n---\n---\n# nothing\n",
		"deploy/c.json":     `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"n":"1"}}]}`,
		"deploy/d.yaml":     "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n",
		"deploy/readme.md":  "text",
		"deploy/sub/x.yaml": "not: read",
	})
	set, err := renderDir(t, dir, request())
	require.NoError(t, err)
	again, err := renderDir(t, dir, request())
	require.NoError(t, err)
	require.Equal(t, set.Digest(), again.Digest())

	var kinds []string
	for _, o := range set.Objects {
		kinds = append(kinds, o.GetKind()+"/"+o.GetNamespace()+"/"+o.GetLabels()[v1alpha1.LabelApplication])
	}
	require.Equal(t, []string{"ConfigMap/default/hello", "Namespace//hello", "Service/default/hello", "Deployment/default/hello"}, kinds)
	text := string(set.Bytes())
	require.Equal(t, 2, strings.Count(text, `"registry.slipway.internal/default/hello@sha256:1234"`))
	require.Contains(t, text, "hello-side:1")
	require.Contains(t, text, "hello@sha256:aa")
	require.Contains(t, text, `"selector":{"matchLabels":{"app":"hello"}}`)

	parsed, err := ParseSet(set.Bytes())
	require.NoError(t, err)
	require.Equal(t, set.Digest(), parsed.Digest())
}

func TestPlainRecurses(t *testing.T) {
	object := func(name string) string { return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\n" }
	files := map[string]string{
		"deploy/a.yaml": object("a"), "deploy/x/b.yaml": object("b"), "deploy/x/y/c.json": `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}`,
		"deploy/tool": "-> /usr/bin/env", "deploy/x/tool": "-> /usr/bin/env",
		"deploy/.hidden/d.yaml": object("d"), "deploy/up": "-> ..", "deploy/x/loop": "-> ../x", "deploy/x/readme.md": "text",
	}
	names := func(req Request) (out []string, err error) {
		set, err := renderDir(t, write(t, files), req)
		if err != nil {
			return nil, err
		}
		for _, o := range set.Objects {
			out = append(out, o.GetName())
		}
		return out, nil
	}
	got, err := names(Request{Recurse: true})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, got)
	got, err = names(Request{})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, got)

	files["deploy/x/kustomization.yaml"] = "resources: [b.yaml]\n"
	_, err = names(Request{Recurse: true})
	require.ErrorContains(t, err, "deploy/x/kustomization.yaml: spec.source.recurse reads plain manifests only, and this directory is more")
	files["deploy/kustomization.yaml"] = "resources: [a.yaml]\n"
	_, err = names(Request{Recurse: true})
	require.ErrorContains(t, err, `spec.source.recurse is for plain manifests, and directory "deploy" is rendered by kustomize`)
	delete(files, "deploy/kustomization.yaml")
	delete(files, "deploy/x/kustomization.yaml")
	files["deploy/"+strings.Repeat("d/", 40)+"a.yaml"] = object("deep")
	_, err = names(Request{Recurse: true})
	require.ErrorContains(t, err, "more than 30 directories deep")
	files = map[string]string{"deploy/x/a.yaml": "-> ../../../../../etc/passwd"}
	_, err = names(Request{Recurse: true})
	require.ErrorContains(t, err, "leaves the repository")
}

func TestKustomizeBuildsOverlay(t *testing.T) {
	dir := write(t, map[string]string{
		"deploy/kustomization.yaml": "resources: [../base]\nnamePrefix: x-\nconfigMapGenerator:\n- name: c\n  literals: [URL=https://example.com/x]\n",
		"base/kustomization.yaml":   "resources: [d.yaml]\n",
		"base/d.yaml":               deployment,
	})
	set, err := renderDir(t, dir, request())
	require.NoError(t, err)
	require.Len(t, set.Objects, 2)
	require.Equal(t, "x-hello", set.Objects[1].GetName())
	require.Contains(t, string(set.Bytes()), "hello@sha256:1234")
}

func TestRefusals(t *testing.T) {
	outside := write(t, map[string]string{"secret.yaml": deployment, "d/kustomization.yaml": "resources: []"})
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [*" + strings.Join([]string{p, p, p, p, p, p, p, p, p}, ",*") + "]\n"
	}
	for _, c := range []struct {
		name, path, want string
		files            map[string]string
	}{
		{"syntax", "", "deploy/a.yaml:3: ", map[string]string{"deploy/a.yaml": "apiVersion: v1\nkind: X\n  bad: [\n"}},
		{"duplicate key", "", `deploy/a.yaml:2:1: key "a" is given twice`, map[string]string{"deploy/a.yaml": "a: 1\na: 2\n"}},
		{"no kind", "", "deploy/a.yaml:1: apiVersion and kind must be given", map[string]string{"deploy/a.yaml": "a: 1\n"}},
		{"not a mapping", "", "deploy/a.yaml:1:1: a manifest must be a mapping", map[string]string{"deploy/a.yaml": "- 1\n"}},
		{"lfs", "", "deploy/a.yaml:1:1: this is a pointer of Git LFS, whose files are not fetched; commit the file itself", map[string]string{"deploy/a.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 1\n"}},
		{"twice", "", `deploy/b.yaml:1: Deployment "hello" is given twice; it is in deploy/a.yaml:1, too`, map[string]string{"deploy/a.yaml": deployment, "deploy/b.yaml": deployment}},
		{"alias bomb", "", "once aliases are expanded", map[string]string{"deploy/a.yaml": bomb}},
		{"deep", "", "nested more than", map[string]string{"deploy/a.yaml": "a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200)}},
		{"tag", "", "tag !x is not allowed", map[string]string{"deploy/a.yaml": "a: !x y\n"}},
		{"large", "", "deploy/a.yaml: larger than 4 MiB", map[string]string{"deploy/a.yaml": "# " + strings.Repeat("x", 5<<20)}},
		{"empty", "", "holds no manifests", map[string]string{"deploy/a.txt": "x"}},
		{"missing", "", `directory "deploy" is not in the commit`, map[string]string{"a": "x"}},
		{"link of file", "", `deploy/a.yaml: symbolic link to "` + outside + `/secret.yaml" leaves the repository`, map[string]string{"deploy/a.yaml": "-> " + outside + "/secret.yaml"}},
		{"link of directory", "", `deploy: symbolic link to "` + outside + `" leaves`, map[string]string{"deploy": "-> " + outside}},
		{"chain of links", "", `leaves the repository`, map[string]string{"deploy/a.yaml": "-> ../b", "b": "-> ../../../etc/passwd"}},
		{"kustomize base through link", "", "x: symbolic link to", map[string]string{"deploy/kustomization.yaml": "resources: [../x/d]", "x": "-> " + outside}},
		{"path up", "../x", "leaves the repository", map[string]string{"a": "x"}},
		{"path absolute", "/etc", "leaves the repository", map[string]string{"a": "x"}},
		{"path with NUL", "a\x00", "is not valid", map[string]string{"a": "x"}},
		{"tab", "", "deploy/a.yaml:4:2: a tab indents this line", map[string]string{"deploy/a.yaml": "apiVersion: v1\nkind: X\nmetadata:\n \tname: x\n"}},
		{"tab alone", "", "deploy/a.yaml:2:1: a tab indents this line", map[string]string{"deploy/a.yaml": "metadata:\n\tname: x\n"}},
		{"two colons", "", "deploy/a.yaml:2: mapping values are not allowed in this context; is this line", map[string]string{"deploy/a.yaml": "a: 1\nb: x: y\n"}},
		{"directory beside", "apps/shop/prd", "is not in the commit; put the manifests there or set spec.source.path; there are apps/shop/dev, apps/shop/prod", map[string]string{"apps/shop/prod/a.yaml": "x", "apps/shop/dev/a.yaml": "x", "apps/shop/a.txt": "x"}},
		{"directory of the root", "deply", "; there are deploy", map[string]string{"deploy/a.yaml": "x", ".git/x": "x", "elsewhere": "-> /etc"}},
		{"remote url", "", `deploy/kustomization.yaml:1:13: resources: "https://example.com/x.yaml" is remote`, map[string]string{"deploy/kustomization.yaml": "resources: ['https://example.com/x.yaml']"}},
		{"remote git", "", "deploy/kustomization.yaml:1:13: resources: \"github.com/a/b\" is not in the repository; remote bases are not fetched", map[string]string{"deploy/kustomization.yaml": "resources: [github.com/a/b]"}},
		{"file above root", "", "is not in or below", map[string]string{"deploy/kustomization.yaml": "resources: [../a.yaml]", "a.yaml": deployment}},
		{"helm", "", "deploy/kustomization.yaml:1:1: helmCharts is not supported", map[string]string{"deploy/kustomization.yaml": "helmCharts: [{name: x}]"}},
		{"unknown kustomize field", "", "deploy", map[string]string{"deploy/kustomization.yaml": "nonsense: 1\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := renderDir(t, write(t, c.files), Request{Path: c.path})
			require.ErrorContains(t, err, c.want)
			var refusal *Error
			require.ErrorAs(t, err, &refusal)
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		deployment, "a: &a [*a]", "<<: [{a: 1}, {b: 2}]", "a: 0644\nb: .inf", "? [x]\n: y", "--- \n...\n---\na: !!binary aGk=",
		"a: 2001-01-01\nb: ~\nc: 18446744073709551615", "{a: 1e400}", "%YAML 1.1\n---\na: b",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := Decode("f.yaml", data)
		if err != nil {
			return
		}
		for _, d := range docs {
			prepare(d.Value, request(), scopes{})
		}
	})
}
