package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exampleTree copies the tree of testdata below a new directory.
func exampleTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/kustomize")))
	return dir
}

func prod() Request {
	req := request()
	req.Path, req.Images = "overlays/prod", nil
	return req
}

// Components, generators, patches, replacements, labels and counts, as Kustomize does them.
func TestExampleKustomization(t *testing.T) {
	set, err := renderDir(t, exampleTree(t), prod())
	require.NoError(t, err)
	all := map[string]map[string]any{}
	for _, o := range set.Objects {
		all[o.GetKind()] = o.Object
	}
	require.Len(t, all, 4)
	service := all["Service"]["spec"].(map[string]any)
	require.EqualValues(t, 443, service["ports"].([]any)[0].(map[string]any)["port"], "by the component")
	web := all["Deployment"]
	require.Equal(t, "prod-web", web["metadata"].(map[string]any)["name"])
	require.Equal(t, "prod", web["metadata"].(map[string]any)["labels"].(map[string]any)["stage"])
	spec := web["spec"].(map[string]any)
	require.EqualValues(t, 4, spec["replicas"])
	template := spec["template"].(map[string]any)
	require.Equal(t, "prod-web", template["metadata"].(map[string]any)["annotations"].(map[string]any)["shop.example/service"], "by the replacement")
	container := template["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	require.Equal(t, "128Mi", container["resources"].(map[string]any)["limits"].(map[string]any)["memory"], "by the patch")
	settings, credentials := all["ConfigMap"]["metadata"].(map[string]any)["name"].(string), all["Secret"]["metadata"].(map[string]any)["name"].(string)
	require.True(t, strings.HasPrefix(settings, "prod-settings-") && strings.HasPrefix(credentials, "prod-credentials-"), "%s %s", settings, credentials)
	require.Contains(t, string(set.Bytes()), `"envFrom":[{"configMapRef":{"name":"`+settings+`"}},{"secretRef":{"name":"`+credentials+`"}}]`)
	require.Equal(t, map[string]any{"COLOUR": "green", "SIZE": "large"}, all["ConfigMap"]["data"])
	require.True(t, set.Secret())
}

func TestKustomizeIsDeterministic(t *testing.T) {
	first, err := renderDir(t, exampleTree(t), prod())
	require.NoError(t, err)
	for range 5 {
		again, err := renderDir(t, exampleTree(t), prod())
		require.NoError(t, err)
		require.Equal(t, first.Digest(), again.Digest())
	}
	require.NotContains(t, string(first.Bytes()), os.TempDir())
}

// What was read is known to the file, and nothing else is: the cache goes by it.
func TestKustomizeReads(t *testing.T) {
	root, err := os.OpenRoot(exampleTree(t))
	require.NoError(t, err)
	defer root.Close()
	a, err := Render(root, prod(), nil)
	require.NoError(t, err)
	var files []string
	for _, r := range a.Reads {
		require.NotEqual(t, ReadList, r.How)
		if r.How == ReadFile {
			files = append(files, r.Path)
		}
	}
	for _, want := range []string{
		"base/kustomization.yaml", "base/web.yaml", "components/tls/kustomization.yaml", "overlays/prod/kustomization.yaml",
		"overlays/prod/memory.yaml", "overlays/prod/settings.env", "overlays/prod/token.txt",
	} {
		require.Contains(t, files, want)
	}
}

func TestKustomizeErrorsNameTheFile(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"syntax":        {"base/web.yaml", "a:\n  b: 1\n c: 2\n", "base/web.yaml:2: did not find expected key; is this line, or one beside it"},
		"tab":           {"base/web.yaml", "a:\n\tb: 1\n", "base/web.yaml:2:1: a tab indents this line"},
		"patch":         {"overlays/prod/memory.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: nobody}\n", "overlays/prod/kustomization.yaml: no resource matches strategic merge patch"},
		"unknown field": {"base/kustomization.yaml", "resources: []\nnonsense: 1\n", `base/kustomization.yaml:2:1: a kustomization has no field "nonsense"`},
		"missing":       {"base/kustomization.yaml", "resources: [none.yaml]\n", `base/kustomization.yaml:1:13: resources: "none.yaml" is not in the repository; it would be base/none.yaml`},
		"cycle":         {"base/kustomization.yaml", "resources: [../overlays/prod]\n", "cycle"},
	} {
		dir := exampleTree(t)
		require.NoError(t, os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o644))
		_, err := renderDir(t, dir, prod())
		require.ErrorContains(t, err, c.want, name)
		var refusal *Error
		require.ErrorAs(t, err, &refusal)
	}
}

func FuzzParseBase(f *testing.F) {
	for _, seed := range []string{
		"https://git.example/a/b.git//c?ref=v1", "github.com/a/b/c?ref=v1", "git@github.com:a/b?ref=x", "ext::sh -c x", "https://u:p@h/x//y?ref=z", "https://h/x//../../y?ref=z", "//?ref=a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		repository, revision, sub, why := parseBase(ref)
		if why != "" {
			return
		}
		if !strings.HasPrefix(repository, "http") || revision == "" || strings.HasPrefix(revision, "-") || strings.HasPrefix(filepath.Clean(sub), "..") || filepath.IsAbs(sub) {
			t.Fatalf("%q: %q %q %q", ref, repository, revision, sub)
		}
	})
}
