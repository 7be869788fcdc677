package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"slipway.dev/gitops/render"
)

// rendered is how many objects the chart and the kustomization have each, as many as a
// middling application.
const rendered = 20

const chartTemplate = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ printf "%%s-%d" .Release.Name | trunc 63 }}
  labels: {{- include "x.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: x%[1]d}}
  template:
    metadata: {labels: {app: x%[1]d}}
    spec:
      containers:
      - name: web
        image: {{ .Values.image }}
        {{- with .Values.resources }}
        resources: {{- toYaml . | nindent 10 }}
        {{- end }}
`

// rendering compares what a set costs through the child, which is what a release pays,
// with the same library called directly, which is what helm template and kustomize build
// do once they have started. Both read their files each time.
func (b *bench) rendering(ctx context.Context, in *instance) error {
	programs, err := filepath.Glob(filepath.Join(in.dir, "bin", "*", render.HelmProgramName))
	if err != nil {
		return err
	}
	if len(programs) == 0 {
		return fmt.Errorf("%s is not below %s", render.HelmProgramName, in.dir)
	}
	runner := &render.Runner{BinDir: filepath.Dir(programs[0])}
	dir := filepath.Join(b.dir, "rendering")
	if err := renderTree(dir); err != nil {
		return err
	}
	request := render.Request{Namespace: "default", Application: "x"}
	request.Chart.Seed = []byte("sixteen bytes of a seed")
	for _, kind := range []struct {
		name    string
		library func(dir string) error
	}{{"Helm", helmLibrary}, {"Kustomize", kustomizeLibrary}} {
		request.Path = kind.name
		direct := kind.name + " by the library called directly"
		for range 10 {
			began := time.Now()
			if err := kind.library(filepath.Join(dir, kind.name)); err != nil {
				return fmt.Errorf("%s: %w", direct, err)
			}
			b.report.add(direct, "ms", milliseconds(began))
			began = time.Now()
			answer, err := runner.Render(ctx, dir, request)
			if err != nil {
				return fmt.Errorf("%s through the child: %w", kind.name, err)
			}
			b.report.against(kind.name+" through the child", "ms", milliseconds(began), direct)
			if n := len(answer.Set.Objects); n != rendered {
				return fmt.Errorf("%s renders to %d objects", kind.name, n)
			}
		}
	}
	return nil
}

func milliseconds(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

func renderTree(dir string) error {
	files := map[string]string{
		"Helm/Chart.yaml":             "apiVersion: v2\nname: x\nversion: 1.0.0\n",
		"Helm/values.yaml":            "replicas: 2\nimage: busybox\nresources: {limits: {memory: 64Mi}, requests: {cpu: 10m}}\n",
		"Helm/templates/_helpers.tpl": "{{ define \"x.labels\" }}\napp: {{ .Chart.Name }}\nrelease: {{ .Release.Name }}\n{{ end }}",
	}
	kustomization := "namePrefix: x-\nlabels: [{pairs: {release: x}}]\nresources:\n"
	for i := range rendered {
		files[fmt.Sprintf("Helm/templates/web%d.yaml", i)] = fmt.Sprintf(chartTemplate, i)
		files[fmt.Sprintf("Kustomize/web%d.yaml", i)] = fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web%d}\nspec: {replicas: 2, selector: {matchLabels: {app: x%[1]d}}, "+
			"template: {metadata: {labels: {app: x%[1]d}}, spec: {containers: [{name: web, image: busybox, resources: {limits: {memory: 64Mi}}}]}}}\n", i)
		kustomization += fmt.Sprintf("- web%d.yaml\n", i)
	}
	files["Kustomize/kustomization.yaml"] = kustomization
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// helmLibrary is what `helm template` does with a chart.
func helmLibrary(dir string) error {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return err
	}
	values := map[string]any{}
	if err := util.ProcessDependencies(c, values); err != nil {
		return err
	}
	top, err := commonutil.ToRenderValues(c, values, common.ReleaseOptions{Name: "x", Namespace: "default", Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return err
	}
	_, err = engine.Engine{}.RenderWithContext(context.Background(), c, top)
	return err
}

// kustomizeLibrary is what `kustomize build` does with a directory.
func kustomizeLibrary(dir string) error {
	set, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return err
	}
	_, err = set.AsYaml()
	return err
}
