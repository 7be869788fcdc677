package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/outside"
	"slipway.dev/gitops/chart"
	"slipway.dev/gitops/render"
	"slipway.dev/gitops/render/helm"
)

// world is a repository, a cluster and a place for charts in memory and below a
// temporary directory. It renders in this process; the child is tested where it is.
type world struct {
	t       testing.TB
	client  client.Client
	r       *Renderer
	commits map[string]map[string]string
	at      map[string]time.Time
	charts  map[string]chart.Found
	store   string
	// archives by digest.
	archives map[string]string
	sets     map[string]*render.Set
	renders  int
	bases    map[string]map[string]string
}

func newWorld(t testing.TB, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	w := &world{
		t: t, commits: map[string]map[string]string{}, at: map[string]time.Time{}, charts: map[string]chart.Found{},
		store: t.TempDir(), archives: map[string]string{}, sets: map[string]*render.Set{}, bases: map[string]map[string]string{},
	}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Application{}).Build()
	w.r = &Renderer{
		Repository: w, Child: w, Reader: w.client, Charts: w, WorkDir: t.TempDir(),
		Key: func(context.Context) ([]byte, error) { return []byte("the key of this cluster, 32 bytes"), nil },
		Cluster: func(context.Context, *v1alpha1.Application) (render.Cluster, error) {
			return render.Cluster{Version: "v1.37.2", APIVersions: []string{"v1"}, Unscoped: []string{"example.org/Global"}}, nil
		},
	}
	return w
}

// cached gives the world a cache, as one that a restart left.
func (w *world) cached(dir string) *Cache {
	w.r.Cache = &Cache{Dir: dir, Footprints: w.footprints, Sets: w, Version: "1", Log: slog.New(slog.DiscardHandler)}
	return w.r.Cache
}

func (w *world) Get(_ context.Context, _, _, digest string) (*render.Set, error) {
	if s := w.sets[digest]; s != nil {
		return s, nil
	}
	return nil, errors.New("not kept")
}

func (w *world) footprints(_ context.Context, _, _, commit string, paths []string) ([]Footprint, error) {
	out := make([]Footprint, len(paths))
	for i, p := range paths {
		for name, text := range w.commits[commit] {
			if name == p || p == "" || strings.HasPrefix(name, p+"/") {
				out[i].Hash += fmt.Sprintf("%s=%q;", name, text)
				out[i].Outward = out[i].Outward || strings.HasPrefix(text, "-> ")
			}
		}
		// A map has no order, and a hash has.
		parts := strings.Split(out[i].Hash, ";")
		sortStrings(parts)
		out[i].Hash = strings.Join(parts, ";")
	}
	return out, nil
}

func sortStrings(s []string) {
	for i := range s {
		for j := i; j > 0 && s[j] < s[j-1]; j-- {
			s[j], s[j-1] = s[j-1], s[j]
		}
	}
}

func (w *world) Checkout(_ context.Context, _, _, commit, dir, _ string) error {
	files, ok := w.commits[commit]
	if !ok {
		return fmt.Errorf("commit %s is not there", commit)
	}
	return fill(dir, files)
}

func fill(dir string, files map[string]string) error {
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(target, file); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) Commit(_ context.Context, _, _, commit string) (string, string, time.Time, error) {
	if at, ok := w.at[commit]; ok {
		return "subject", "author", at, nil
	}
	return "subject", "author", time.Date(2026, 5, 17, 0, 0, 0, 0, time.UTC), nil
}

func (w *world) Render(_ context.Context, dir string, req render.Request) (*render.Answer, error) {
	w.renders++
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return render.Render(root, req, helm.Render)
}

func (w *world) Decrypt(_ context.Context, dir string, d render.Decryption) ([]render.Plain, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return render.Decrypt(root, d)
}

// Resolve knows the charts that the test named, as "repository chart version".
func (w *world) Resolve(_ context.Context, ref chart.Ref) (chart.Found, error) {
	found, ok := w.charts[ref.Repository+" "+ref.Chart+" "+ref.Version]
	if !ok {
		return found, render.Refuse("", 0, "chart %s of %s: no version %q", ref.Chart, ref.Repository, ref.Version)
	}
	return found, nil
}

func (w *world) Archive(_ context.Context, _ chart.Ref, digest string) (string, error) {
	file, ok := w.archives[digest]
	if !ok {
		return "", render.Refuse("", 0, "%s is not kept", digest)
	}
	return file, nil
}

// keep packs a chart under a digest.
func (w *world) keep(digest, name, version string, files map[string]string) {
	w.t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	files = with(files, "Chart.yaml", "apiVersion: v2\nname: "+name+"\nversion: "+version+"\n"+files["dependencies"])
	delete(files, "dependencies")
	for file, text := range files {
		require.NoError(w.t, tw.WriteHeader(&tar.Header{Name: name + "/" + file, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}))
		_, err := io.WriteString(tw, text)
		require.NoError(w.t, err)
	}
	require.NoError(w.t, tw.Close())
	require.NoError(w.t, zw.Close())
	file := filepath.Join(w.store, digest+".tgz")
	require.NoError(w.t, os.WriteFile(file, b.Bytes(), 0o644))
	w.archives[digest] = file
}

func (w *world) Base(_ context.Context, url, revision, dir string) error {
	files, ok := w.bases[url+"@"+revision]
	if !ok {
		return render.Refuse("", 0, "%s has no %s", url, revision)
	}
	return fill(dir, files)
}

func (w *world) app(source v1alpha1.Source) *v1alpha1.Application {
	return &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}, Spec: v1alpha1.ApplicationSpec{Source: source}}
}

func (w *world) render(source v1alpha1.Source, commit string) (*render.Set, error) {
	return w.r.Render(context.Background(), w.app(source), v1alpha1.Desired{Commit: commit})
}

var chartFiles = map[string]string{
	"deploy/Chart.yaml":       "apiVersion: v2\nname: x\nversion: 1.0.0\n",
	"deploy/values.yaml":      "greeting: hello\npassword: none\n",
	"deploy/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {greeting: {{ .Values.greeting | quote }}, password: {{ .Values.password | quote }}, random: {{ randAlphaNum 20 }}}\n",
}

func with(files map[string]string, more ...string) map[string]string {
	out := map[string]string{}
	for k, v := range files {
		out[k] = v
	}
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

func object(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: data}
}

func secret(name string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: map[string][]byte{}}
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	return s
}

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
	require.ErrorContains(t, err, "chart/Chart.yaml: chart cache of oci://registry.example/charts: no version")
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

// What a killed server left, plain text among it, goes before the next one renders.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	left := filepath.Join(w.r.WorkDir, workPrefix+"123", "deploy")
	other := filepath.Join(w.r.WorkDir, "containerd.sock")
	require.NoError(t, os.MkdirAll(left, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(left, "secret.yaml"), []byte("planted"), 0o600))
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	require.NoError(t, w.r.Sweep())
	_, err := os.Stat(filepath.Dir(left))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = os.Stat(other)
	require.NoError(t, err)
}

func sopsFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "render", "sops", "testdata", name))
	require.NoError(t, err)
	return string(data)
}

func TestEncryptedFiles(t *testing.T) {
	w := newWorld(t, secret("age", map[string]string{"age.agekey": sopsFile(t, "age.key")}), secret("wrong", map[string]string{"x": sopsFile(t, "other.key")}), secret("empty", nil), secret("bad", map[string]string{"x": "planted-not-a-key"}))
	w.commits["plain"] = map[string]string{"deploy/secret.yaml": sopsFile(t, "regex.yaml"), "deploy/app.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"}
	w.commits["kustomize"] = map[string]string{
		"deploy/kustomization.yaml": "resources: [../base]\nsecretGenerator:\n- name: s\n  envs: [settings.env]\n  files: [token.txt]\n",
		"deploy/settings.env":       sopsFile(t, "settings.env"), "deploy/token.txt": sopsFile(t, "token.txt"),
		"base/kustomization.yaml": "resources: [s.yaml]\n", "base/s.yaml": sopsFile(t, "secret.yaml"),
	}
	w.commits["helm"] = with(chartFiles, "deploy/secrets.json", sopsFile(t, "values.json"))
	decryption := func(name string) *v1alpha1.Decryption {
		return &v1alpha1.Decryption{SecretRef: v1alpha1.SecretRef{Name: name}}
	}
	for commit, c := range map[string]struct {
		source v1alpha1.Source
		want   []string
		hidden string
	}{
		"plain":     {v1alpha1.Source{}, []string{`"a":"first-secret"`, `"b":"second-secret"`}, "first-secret"},
		"kustomize": {v1alpha1.Source{}, []string{"cGxhbnRlZC1lbnY=", "cGxhbnRlZC1iaW5hcnkK", "planted-password"}, "planted-env"},
		"helm":      {v1alpha1.Source{Helm: &v1alpha1.Helm{ValueFiles: []string{"secrets.json"}}}, []string{`"password":"planted-json"`}, "planted-json"},
	} {
		t.Run(commit, func(t *testing.T) {
			c.source.Repository, c.source.Decryption = "shop", decryption("age")
			set, err := w.render(c.source, commit)
			require.NoError(t, err)
			for _, want := range c.want {
				require.Contains(t, string(set.Bytes()), want)
			}
			require.NotContains(t, string(set.Bytes()), "ENC[")
			require.NotContains(t, string(set.Bytes()), "sops")
			require.Contains(t, set.Hidden, c.hidden)
			require.True(t, set.Secret())

			c.source.Decryption = nil
			_, err = w.render(c.source, commit)
			require.ErrorContains(t, err, "is encrypted with SOPS; name the Secret with its age key")
		})
	}
	for name, want := range map[string]string{
		"wrong": "deploy/secret.yaml: SOPS: none of the given age keys opens it", "empty": "holds no age identity", "bad": "not a list of age identities",
		"none": "secret none with the age keys is not there", "ci-variable-x": "one of pipelines",
	} {
		_, err := w.render(v1alpha1.Source{Repository: "shop", Decryption: decryption(name)}, "plain")
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "planted-not-a-key")
		var refusal *render.Error
		require.ErrorAs(t, err, &refusal)
	}
	// What is meant for a controller in the cluster goes there as it is.
	w.commits["operator"] = map[string]string{"deploy/s.yaml": strings.ReplaceAll(sopsFile(t, "regex.yaml"), "kind: Secret", "kind: SopsSecret")}
	set, err := w.render(v1alpha1.Source{Repository: "shop"}, "operator")
	require.NoError(t, err)
	require.Contains(t, string(set.Bytes()), "ENC[")
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
	require.ErrorContains(t, err, "deploy/kustomization.yaml: https://git.example/platform/base.git has no v1")
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

func TestCache(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, object("v", map[string]string{"values.yaml": "greeting: hello\n"}))
	cache := w.cached(dir)
	source := v1alpha1.Source{Repository: "shop", Helm: &v1alpha1.Helm{ValuesFrom: []v1alpha1.ValuesFrom{{Kind: "ConfigMap", Name: "v"}}}}
	must := func(commit string, renders int, why string) *render.Set {
		t.Helper()
		before := w.renders
		set, err := w.render(source, commit)
		require.NoError(t, err)
		require.Equal(t, renders, w.renders-before, why)
		w.sets[set.Digest()] = set
		return set
	}
	w.commits["c1"] = with(chartFiles, "readme.md", "one")
	w.commits["c2"] = with(chartFiles, "readme.md", "two")
	w.commits["c3"] = with(chartFiles, "deploy/new.txt", "one")
	first := must("c1", 1, "nothing is known")
	require.Equal(t, first.Digest(), must("c1", 0, "the same").Digest())
	must("c2", 0, "another commit with the same chart")
	must("c3", 1, "a file of the chart is new")
	must("c1", 0, "the entry before is kept")
	require.NoError(t, w.client.Update(context.Background(), object("v", map[string]string{"values.yaml": "greeting: other\n"})))
	changed := must("c1", 1, "other values")
	require.NotEqual(t, first.Digest(), changed.Digest())
	cache = w.cached(dir)
	must("c1", 0, "after a restart")
	cache.Version = "2"
	must("c1", 1, "another program")
	delete(w.sets, changed.Digest())
	must("c1", 1, "the set is lost")

	w.commits["k1"] = map[string]string{"deploy/kustomization.yaml": "resources: [../base/a.yaml]\n", "base/a.yaml": "x", "deploy/other": "1"}
	source = v1alpha1.Source{Repository: "shop"}
	w.commits["k1"] = map[string]string{"deploy/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"}
	w.commits["k2"] = with(w.commits["k1"], "base/not-read.yaml", "1", "deploy/not-read.txt", "1")
	w.commits["k3"] = with(w.commits["k1"], "base/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
	w.commits["k4"] = with(w.commits["k1"], "deploy/Chart.yaml", "apiVersion: v2\nname: x\nversion: 1.0.0\n")
	must("k1", 1, "another source")
	must("k2", 0, "what is not read does not count")
	must("k3", 1, "a base changed")
	before := w.renders
	_, err := w.render(source, "k4")
	require.Error(t, err, "a file that was looked for and is there now makes it another thing")
	require.Equal(t, 1, w.renders-before)

	// Time: the month for certificates, the second for now.
	w.commits["t1"] = with(chartFiles, "deploy/templates/b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {ca: {{ (genCA \"x\" 10).Cert | quote }}}\n")
	w.commits["t2"], w.commits["t3"] = w.commits["t1"], w.commits["t1"]
	w.at["t2"] = time.Date(2026, 5, 30, 0, 0, 0, 0, time.UTC)
	w.at["t3"] = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	must("t1", 1, "new")
	must("t2", 0, "in the same month")
	must("t3", 1, "in another month")

	// A link may lead to what its name does not tell.
	w.commits["l1"] = map[string]string{"deploy/a.yaml": "-> ../real.yaml", "real.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"}
	must("l1", 1, "new")
	must("l1", 1, "not cached")
	hits, misses := cache.Counts()
	require.Positive(t, hits)
	require.Positive(t, misses)
}

func TestCacheIsBounded(t *testing.T) {
	w := newWorld(t)
	c := w.cached(t.TempDir())
	c.Max = 3
	for i := range 8 {
		file := filepath.Join(c.Dir, "default", fmt.Sprintf("app%d.json", i))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte("[]"), 0o600))
		at := time.Now().Add(time.Duration(i) * time.Second)
		require.NoError(t, os.Chtimes(file, at, at))
	}
	c.prune()
	left, err := filepath.Glob(filepath.Join(c.Dir, "default", "*"))
	require.NoError(t, err)
	require.Len(t, left, 3)
	require.Equal(t, "app7.json", filepath.Base(left[2]))
}

func TestInputs(t *testing.T) {
	ctx := context.Background()
	values := object("v", map[string]string{"values.yaml": "a: 1\n"})
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}, Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: v1alpha1.Source{
		Helm: &v1alpha1.Helm{Repository: "https://charts.example", Chart: "shop", Version: "1.x", ValuesFrom: []v1alpha1.ValuesFrom{{Kind: "ConfigMap", Name: "v"}}},
	}}}
	w := newWorld(t, values, app)
	f := &Follower{Client: w.client, Reader: w.client, Inputs: w.r.Inputs, Log: slog.New(slog.DiscardHandler)}
	reconcile := func() *v1alpha1.Application {
		t.Helper()
		res, err := f.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
		require.NoError(t, err)
		require.Positive(t, res.RequeueAfter)
		require.NoError(t, w.client.Get(ctx, client.ObjectKeyFromObject(app), app))
		return app
	}
	got := reconcile()
	require.Nil(t, got.Spec.Desired)
	c := meta.FindStatusCondition(got.Status.Conditions, ConditionInputs)
	require.Equal(t, metav1.ConditionFalse, c.Status)
	require.Contains(t, c.Message, `no version "1.x"`)

	w.charts["https://charts.example shop 1.x"] = chart.Found{Version: "1.4.0", Digest: "sha256:1"}
	got = reconcile()
	require.EqualValues(t, 1, got.Spec.Desired.Sequence)
	require.Equal(t, "1.4.0", got.Spec.Desired.Inputs.Version)
	require.Empty(t, Waiting(got))
	first := got.Spec.Desired.DeepCopy()
	require.Equal(t, first, reconcile().Spec.Desired, "nothing new is nothing written")

	w.charts["https://charts.example shop 1.x"] = chart.Found{Version: "1.5.0", Digest: "sha256:2"}
	got = reconcile()
	require.EqualValues(t, 2, got.Spec.Desired.Sequence)
	require.Equal(t, "sha256:2", got.Spec.Desired.Inputs.Digest)
	require.Equal(t, v1alpha1.CauseInputs, got.Spec.Desired.Cause)

	old := *got.Spec.Desired
	values.Data["values.yaml"] = "a: 2\n"
	require.NoError(t, w.client.Update(ctx, values))
	_, err := w.r.Render(ctx, got, old)
	require.ErrorIs(t, err, ErrChanged, "a value is rendered with what it was written for, or not at all")
	got = reconcile()
	require.NotEqual(t, old.Inputs.Values, got.Spec.Desired.Inputs.Values)
	require.Equal(t, old.Inputs.Version, got.Spec.Desired.Inputs.Version)

	got.Spec.Source.Helm.Values = &runtime.RawExtension{Raw: []byte(`{"b":1}`)}
	require.NoError(t, w.client.Update(ctx, got))
	require.EqualValues(t, 4, reconcile().Spec.Desired.Sequence, "a change of the source is a new value, too")

	got.Spec.Sync = "manual"
	got.Spec.Source.Helm.Values = nil
	require.NoError(t, w.client.Update(ctx, got))
	_, err = f.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
	require.NoError(t, err)
	require.NoError(t, w.client.Get(ctx, client.ObjectKeyFromObject(app), app))
	require.EqualValues(t, 4, app.Spec.Desired.Sequence, "manual follows when somebody asks")

	// What a promotion brings is the chart; the values are added.
	app.Spec.Desired = &v1alpha1.Desired{Sequence: 9, Cause: v1alpha1.CausePromotion, Promotion: "shop-p1", Inputs: &v1alpha1.Inputs{Version: "1.1.0", Digest: "sha256:0"}}
	require.NotEmpty(t, Waiting(app))
	require.NoError(t, w.client.Update(ctx, app))
	_, err = f.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
	require.NoError(t, err)
	require.NoError(t, w.client.Get(ctx, client.ObjectKeyFromObject(app), app))
	require.Equal(t, "1.1.0 sha256:0 shop-p1", fmt.Sprint(app.Spec.Desired.Inputs.Version, " ", app.Spec.Desired.Inputs.Digest, " ", app.Spec.Desired.Promotion))
	require.Empty(t, Waiting(app))
}

// Inputs of a chart in a repository come after the commit, and keep its cause.
func TestInputsOfACommit(t *testing.T) {
	app := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{Source: v1alpha1.Source{Repository: "shop", Helm: &v1alpha1.Helm{}}}}
	require.Empty(t, Waiting(app))
	app.Spec.Desired = &v1alpha1.Desired{Commit: "c1", Sequence: 7, Cause: v1alpha1.CausePush, By: "ada"}
	require.NotEmpty(t, Waiting(app))
	require.True(t, Offer(app, &v1alpha1.Inputs{Values: "a"}))
	require.Equal(t, v1alpha1.CausePush, app.Spec.Desired.Cause)
	require.False(t, Offer(app, &v1alpha1.Inputs{Values: "a"}))
	require.True(t, Offer(app, &v1alpha1.Inputs{Values: "b"}))
	require.Equal(t, v1alpha1.Desired{Commit: "c1", Sequence: 7, Cause: v1alpha1.CauseInputs, By: "chart", Inputs: &v1alpha1.Inputs{Values: "b"}}, *app.Spec.Desired)
	require.False(t, Offer(app, nil))
}

// Threat 6 again: a Secret that is bound to no host is sent nowhere.
func TestCredentialsAreBound(t *testing.T) {
	bound := secret("bound", map[string]string{"username": "ada", "password": "planted"})
	bound.Annotations = map[string]string{v1alpha1.AnnotationHost: "charts.example"}
	w := newWorld(t, bound, secret("free", map[string]string{"password": "planted"}))
	app := w.app(v1alpha1.Source{Helm: &v1alpha1.Helm{Repository: "https://charts.example", Chart: "x", CredentialsSecret: "bound"}})
	cred, err := w.r.credentials(context.Background(), app)
	require.NoError(t, err)
	require.Equal(t, &chart.Credentials{Host: "charts.example", Username: "ada", Password: "planted"}, cred)
	for name, want := range map[string]string{"free": `annotate it with slipway.dev/host: "charts.example"`, "none": "is not there"} {
		app.Spec.Source.Helm.CredentialsSecret = name
		_, err = w.r.credentials(context.Background(), app)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "planted")
	}
}
