package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"slipway.dev/gitops/render"
)

// rendered is how many objects the chart and the kustomization have each, as many as a
// middling application.
const rendered = 20

// renderRounds follow one that reads the programs from disk and is not counted.
const renderRounds = 10

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
// with the commands helm template and kustomize build, in turns. All read their files each
// time.
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
	for _, kind := range []string{"Helm", "Kustomize"} {
		request.Path = kind
		own := strings.Join(commands[kind][:2], " ") + ", " + fmt.Sprint(rendered) + " objects"
		for i := range renderRounds + 1 {
			began := time.Now()
			if err := b.command(ctx, kind, filepath.Join(dir, kind)); err != nil {
				return err
			}
			direct := milliseconds(began)
			began = time.Now()
			answer, err := runner.Render(ctx, dir, request)
			if err != nil {
				return fmt.Errorf("%s through the child: %w", kind, err)
			}
			child := milliseconds(began)
			if n := len(answer.Set.Objects); n != rendered {
				return fmt.Errorf("%s renders to %d objects", kind, n)
			}
			if i > 0 {
				b.report.add(own, "ms", direct)
				b.report.against(kind+" through the child, the same", "ms", child, own)
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

// commands that render, as people run them.
var commands = map[string][]string{
	"Helm":      {"helm", "template", "x", "."},
	"Kustomize": {"kustomize", "build", "."},
}

// command runs the program that a rendering is compared with.
func (b *bench) command(ctx context.Context, kind, dir string) error {
	args := commands[kind]
	program, err := filepath.Abs(filepath.Join(b.Commands, args[0]))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args[1:]...)
	// No settings, plugins or caches of whoever runs this.
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + b.dir}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s (make build/tools/%s makes it): %w %s", program, args[0], err, complaints.Bytes())
	}
	if n := bytes.Count(out, []byte("\nkind: ")); n != rendered {
		return fmt.Errorf("%s renders %d objects", program, n)
	}
	return nil
}
