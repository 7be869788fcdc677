package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

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
	// Twice: this repository does not tell that a kustomization names what is above it.
	must("k1", 2, "another source")
	must("k2", 0, "what is not read does not count")
	must("k3", 2, "a base changed")
	before := w.renders
	_, err := w.render(source, "k4")
	require.Error(t, err, "a file that was looked for and is there now makes it another thing")
	require.Equal(t, 2, w.renders-before)

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
