package helm

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"

	"slipway.dev/gitops/render"
)

// plainChart copies the example without what makes keys: they would be all that is measured.
func plainChart(b *testing.B) string {
	dir := example(b)
	require.NoError(b, os.Remove(dir+"/deploy/templates/secret.yaml"))
	return dir
}

// BenchmarkLibrary is what helm template does once it has started.
func BenchmarkLibrary(b *testing.B) {
	dir := plainChart(b) + "/deploy"
	for b.Loop() {
		c, err := chartloader.LoadDir(dir)
		require.NoError(b, err)
		require.NoError(b, util.ProcessDependencies(c, map[string]any{}))
		caps := *common.DefaultCapabilities
		version, err := common.ParseKubeVersion("v1.37.2")
		require.NoError(b, err)
		caps.KubeVersion = *version
		top, err := commonutil.ToRenderValues(c, map[string]any{}, common.ReleaseOptions{Name: "hello", Namespace: "default", IsInstall: true}, &caps)
		require.NoError(b, err)
		_, err = engine.Engine{}.RenderWithContext(context.Background(), c, top)
		require.NoError(b, err)
	}
}

// BenchmarkRender is ours in one process: with limits, schema, manifests and digest.
func BenchmarkRender(b *testing.B) {
	dir := plainChart(b)
	for b.Loop() {
		_, err := renderDir(b, dir, request())
		require.NoError(b, err)
	}
}

// BenchmarkChild is a rendering as a release pays for it. SLIPWAY_RENDER_PROGRAMS names
// the directory with slipway-render-helm, as build/payload; else it is this test itself.
func BenchmarkChild(b *testing.B) {
	dir := plainChart(b)
	runner := &render.Runner{BinDir: os.Getenv("SLIPWAY_RENDER_PROGRAMS")}
	req := request()
	req.Renderer = "helm"
	for b.Loop() {
		_, err := runner.Render(context.Background(), dir, req)
		require.NoError(b, err)
	}
}
