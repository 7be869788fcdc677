package source

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/outside"
	"slipway.dev/gitops/chart"
	"slipway.dev/gitops/render"
)

func TestValuesOfTheCluster(t *testing.T) {
	w := newWorld(t, object("v", map[string]string{"values.yaml": "greeting: of the map\n"}), secret("s", map[string]string{"app.yaml": "password: planted-password\nshort: abc\nnumber: 5432\n"}))
	w.commits["c1"] = chartFiles
	h := &v1alpha1.Helm{
		ValuesFrom: []v1alpha1.ValuesFrom{{Kind: "ConfigMap", Name: "v"}, {Kind: "Secret", Name: "s", Key: "app.yaml"}, {Kind: "ConfigMap", Name: "none", Optional: true}},
		Values:     &runtime.RawExtension{Raw: []byte(`{"greeting":"inline"}`)},
	}
	set, err := w.render(v1alpha1.Source{Repository: "shop", Helm: h}, "c1")
	require.NoError(t, err)
	text := string(set.Bytes())
	require.Contains(t, text, `"greeting":"inline"`)
	require.Contains(t, text, `"password":"planted-password"`)
	require.Equal(t, []string{"planted-password"}, set.Hidden, "what a Secret held is hidden wherever it is now")
	require.True(t, set.Secret(), "so the set is kept sealed")
	stored, err := set.Stored()
	require.NoError(t, err)
	again, err := render.ParseStored(stored)
	require.NoError(t, err)
	require.Equal(t, set.Hidden, again.Hidden)
	require.Equal(t, set.Digest(), again.Digest())

	for _, c := range []struct{ kind, name, key, want string }{
		{"ConfigMap", "none", "", "ConfigMap none (values.yaml) is not there"}, {"ConfigMap", "v", "other", "ConfigMap v (other) is not there"},
		{"Secret", "ci-variable-x", "", "one of pipelines"}, {"Secret", "ci-job-x", "", "one of pipelines"}, {"Secret", "kept", "", "is not read for applications"}, {"Pod", "x", "", "are not read"},
	} {
		kept := secret("kept", map[string]string{"values.yaml": "a: planted"})
		kept.Type = "slipway.dev/application-set"
		_ = w.client.Create(context.Background(), kept)
		h.ValuesFrom = []v1alpha1.ValuesFrom{{Kind: c.kind, Name: c.name, Key: c.key}}
		_, err = w.render(v1alpha1.Source{Repository: "shop", Helm: h}, "c1")
		require.ErrorContains(t, err, c.want)
		var refusal *render.Error
		require.ErrorAs(t, err, &refusal)
	}
}

func TestChartFromElsewhere(t *testing.T) {
	w := newWorld(t)
	w.keep("sha256:1", "shop", "1.2.0", map[string]string{
		"values.yaml": "greeting: of the chart\n", "values-prod.yaml": "greeting: of the chart, for production\n",
		"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {greeting: {{ .Values.greeting | quote }}}\n",
		"dependencies":     "dependencies: [{name: cache, version: 0.1.0, repository: 'oci://registry.example/charts'}]\n",
	})
	w.keep("sha256:2", "cache", "0.1.0", map[string]string{"templates/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cache}\n"})
	h := &v1alpha1.Helm{Repository: "https://charts.example", Chart: "shop", Version: "1.x"}
	app := w.app(v1alpha1.Source{Helm: h})
	desired := v1alpha1.Desired{Inputs: &v1alpha1.Inputs{Version: "1.2.0", Digest: "sha256:1"}}
	_, err := w.r.Render(context.Background(), app, desired)
	require.ErrorContains(t, err, "chart/Chart.yaml:4: chart cache of oci://registry.example/charts: no version")
	w.charts["oci://registry.example/charts cache 0.1.0"] = chart.Found{Version: "0.1.0", Digest: "sha256:2"}
	set, err := w.r.Render(context.Background(), app, desired)
	require.NoError(t, err)
	require.Len(t, set.Objects, 2)
	require.Contains(t, string(set.Bytes()), `"greeting":"of the chart"`)

	h.ValueFiles = []string{"values-prod.yaml"}
	set, err = w.r.Render(context.Background(), app, desired)
	require.NoError(t, err)
	require.Contains(t, string(set.Bytes()), "for production", "a file of the chart")

	w.commits["c1"] = map[string]string{"deploy/values-prod.yaml": "greeting: of the repository\n"}
	app.Spec.Source.Repository, desired.Commit = "shop", "c1"
	set, err = w.r.Render(context.Background(), app, desired)
	require.NoError(t, err)
	require.Contains(t, string(set.Bytes()), "of the repository")

	_, err = w.r.Render(context.Background(), app, v1alpha1.Desired{Commit: "c1"})
	require.ErrorContains(t, err, "not known yet")
}

// Threat 5: a dependency whose address is link-local, or a file, is not fetched.
func TestDependencyOfALinkLocalAddress(t *testing.T) {
	w := newWorld(t)
	w.r.Charts = &chart.Client{Dir: t.TempDir(), Guard: outside.Guard{Private: true}, Index: &render.Runner{}}
	for address, want := range map[string]string{
		"http://169.254.169.254/charts": "169.254.169.254: address not allowed", "oci://169.254.169.254/charts": "169.254.169.254: address not allowed",
		"http://[fe80::1]/charts": "address not allowed", "ftp://169.254.169.254/": "is neither https://, oci:// nor file://",
	} {
		w.commits["c1"] = with(chartFiles, "deploy/Chart.yaml", chartFiles["deploy/Chart.yaml"]+"dependencies: [{name: cache, version: 0.1.0, repository: '"+address+"'}]\n")
		_, err := w.render(v1alpha1.Source{Repository: "shop"}, "c1")
		require.ErrorContains(t, err, want)
		var refusal *render.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "deploy/Chart.yaml", refusal.File)
	}
}

// Two renderings in different directories give the same, other applications other
// random texts; neither names the directory.
func TestDeterministic(t *testing.T) {
	w := newWorld(t)
	w.commits["c1"] = chartFiles
	source := v1alpha1.Source{Repository: "shop"}
	first, err := w.render(source, "c1")
	require.NoError(t, err)
	w.r.WorkDir = t.TempDir()
	second, err := w.render(source, "c1")
	require.NoError(t, err)
	require.Equal(t, first.Digest(), second.Digest())
	require.NotContains(t, string(first.Bytes()), os.TempDir())
	other := w.app(source)
	other.Name = "other"
	third, err := w.r.Render(context.Background(), other, v1alpha1.Desired{Commit: "c1"})
	require.NoError(t, err)
	random := func(s *render.Set) any { return s.Objects[0].Object["data"].(map[string]any)["random"] }
	require.NotEqual(t, random(first), random(third))
	left, err := os.ReadDir(w.r.WorkDir)
	require.NoError(t, err)
	require.Empty(t, left, "nothing stays in the work directory")
}

func TestRemoteBases(t *testing.T) {
	w := newWorld(t)
	w.commits["c1"] = map[string]string{
		"deploy/kustomization.yaml":                          "resources:\n- https://git.example/platform/base.git//web?ref=v1\n- local.yaml\nnamePrefix: x-\n",
		"deploy/local.yaml":                                  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: local}\n",
		render.BroughtDir + "/base-0/web/kustomization.yaml": "resources: [planted.yaml]\n",
	}
	source := v1alpha1.Source{Repository: "shop"}
	_, err := w.render(source, "c1")
	require.ErrorContains(t, err, "is remote; only files of the repository are rendered")
	w.r.Bases = w
	_, err = w.render(source, "c1")
	require.ErrorContains(t, err, "deploy/kustomization.yaml:2: https://git.example/platform/base.git has no v1")
	w.bases["https://git.example/platform/base.git@v1"] = map[string]string{
		"web/kustomization.yaml": "resources: [web.yaml, 'git.example/platform/more//m?ref=v2']\n", "web/web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n",
	}
	w.bases["https://git.example/platform/more@v2"] = map[string]string{"m/kustomization.yaml": "resources: [m.yaml]\n", "m/m.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n"}
	set, err := w.render(source, "c1")
	require.NoError(t, err)
	var names []string
	for _, o := range set.Objects {
		names = append(names, o.GetName())
	}
	require.Equal(t, []string{"x-local", "x-more", "x-web"}, names)
	w.bases["https://git.example/platform/base.git@v1"]["web/kustomization.yaml"] = "resources: [web.yaml, '-> x']\n"
	w.bases["https://git.example/platform/base.git@v1"]["web/web.yaml"] = "a: [\n"
	_, err = w.render(source, "c1")
	require.ErrorContains(t, err, "https://git.example/platform/base.git: web/", "an error names what it is, not where it was put")
	for ref, want := range map[string]string{
		"https://git.example/x//y": "add ?ref=", "https://raw.example/install.yaml": "add ?ref=", "git@git.example:x/y//z?ref=v1": "not an address", "ssh://git@git.example/x//y?ref=v1": "only bases over https",
		"https://u:p@git.example/x//y?ref=v1": "must not hold credentials", "https://git.example/x//../../y?ref=v1": "not an address", "https://git.example/x//y?ref=-v1": "add ?ref=", "ext::sh//x?ref=v1": "is not in the repository",
	} {
		w.commits["c2"] = map[string]string{"deploy/kustomization.yaml": "resources: ['" + ref + "']\n"}
		_, err = w.render(source, "c2")
		require.ErrorContains(t, err, want, ref)
	}
}
