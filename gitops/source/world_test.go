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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
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
	// checkouts are the directories that were asked for.
	checkouts []string
	bases     map[string]map[string]string
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

func (w *world) Checkout(_ context.Context, _, _, commit, dir, subpath string) error {
	files, ok := w.commits[commit]
	if !ok {
		return fmt.Errorf("commit %s is not there", commit)
	}
	w.checkouts = append(w.checkouts, subpath)
	part := map[string]string{}
	for name, text := range files {
		if rest, ok := strings.CutPrefix(name, subpath+"/"); ok {
			part[rest] = text
		} else if subpath == "" {
			part[name] = text
		}
	}
	return fill(dir, part)
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
