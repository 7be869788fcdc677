package render

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// BenchmarkKustomizeLibrary is what kustomize build does once it has started.
func BenchmarkKustomizeLibrary(b *testing.B) {
	dir := exampleTree(b)
	for b.Loop() {
		set, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir+"/overlays/prod")
		require.NoError(b, err)
		_, err = set.AsYaml()
		require.NoError(b, err)
	}
}

// BenchmarkKustomize is ours in one process.
func BenchmarkKustomize(b *testing.B) {
	dir := exampleTree(b)
	for b.Loop() {
		_, err := renderDir(b, dir, prod())
		require.NoError(b, err)
	}
}

// BenchmarkKustomizeChild is a rendering as a release pays for it.
// SLIPWAY_RENDER_PROGRAMS names the directory with slipway-render, as build/payload;
// else it is this test itself.
func BenchmarkKustomizeChild(b *testing.B) {
	dir := exampleTree(b)
	runner := &Runner{BinDir: os.Getenv("SLIPWAY_RENDER_PROGRAMS")}
	for b.Loop() {
		_, err := runner.Render(b.Context(), dir, prod())
		require.NoError(b, err)
	}
}
