// Package helm owns the rendering of Helm charts with Helm's own engine: a chart of the
// tree or an archive, its subcharts, values, schema and custom resource definitions.
// What templates think is random, or now, comes from the request, so that the same
// input renders to the same set; `lookup` finds nothing, as no cluster is asked.
//
// It runs in the rendering child only: it fetches nothing and opens no file but through
// the tree. What is missing it says to be needed. Start at Render.
package helm

import (
	"cmp"
	"context"
	"io"
	"log"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"

	"slipway.dev/gitops/render"
)

// maxRendered is how much all templates may render to.
const maxRendered = 32 << 20

// Render renders the chart that the request names. It is a render.ChartRenderer.
func Render(t *render.Tree, dir string, req render.Request) ([]render.Document, error) {
	// Helm warns there of what users wrote; nobody reads it.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	log.SetOutput(io.Discard)

	l := loader{tree: t, place: dir}
	c, err := l.open(req.Chart.Archive)
	if err != nil {
		return nil, err
	}
	vals, err := values(t, &l, c, dir, req.Chart)
	if err != nil || l.incomplete {
		return nil, err
	}
	return execute(t, l, c, vals, req)
}

// execute renders a chart that has all its parts.
func execute(t *render.Tree, l loader, c *chart.Chart, vals map[string]any, req render.Request) ([]render.Document, error) {
	if c.Metadata.Type == "library" {
		return nil, render.Refuse(l.at("Chart.yaml"), 0, "chart %q is a library, which renders to nothing", c.Name())
	}
	caps, err := capabilities(c, req)
	if err != nil {
		return nil, err
	}
	if k := c.Metadata.KubeVersion; k != "" && !util.IsCompatibleRange(k, caps.KubeVersion.String()) {
		return nil, render.Refuse(l.at("Chart.yaml"), 0, "chart %q wants Kubernetes %s, and this is %s", c.Name(), k, caps.KubeVersion.Version)
	}
	if err := util.ProcessDependencies(c, vals); err != nil {
		return nil, render.Refuse(l.at("Chart.yaml"), 0, "%v", err)
	}
	options := common.ReleaseOptions{Name: cmp.Or(req.Chart.Release, req.Application), Namespace: req.Namespace, Revision: 1, IsInstall: true}
	top, err := commonutil.ToRenderValuesWithSchemaValidation(c, vals, options, caps, true)
	if err != nil {
		return nil, render.Refuse(l.at("values.yaml"), 0, "%v", err)
	}
	final, err := top.Table("Values")
	if err != nil {
		return nil, render.Refuse(l.at("values.yaml"), 0, "%v", err)
	}
	if err := l.validate(c, final, nil); err != nil {
		return nil, err
	}
	random, err := newRandom(req.Chart.Seed)
	if err != nil {
		return nil, err
	}
	defer random.install()()
	mark(c)
	texts, err := engine.Engine{CustomTemplateFuncs: functions(t, random, req.Chart.Time)}.RenderWithContext(context.Background(), c, top)
	if err != nil {
		return nil, l.explain(c, err)
	}
	docs, err := l.manifests(c, texts)
	if err != nil || req.Chart.SkipCRDs {
		return docs, err
	}
	crds, err := l.definitions(c)
	return append(crds, docs...), err
}

// manifests are the documents of all templates but notes and tests, in a fixed order.
func (l loader) manifests(c *chart.Chart, texts map[string]string) ([]render.Document, error) {
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	if size > maxRendered {
		return nil, render.Refuse("", 0, "chart %q renders to %d MiB; at most %d MiB are allowed", c.Name(), size>>20, maxRendered>>20)
	}
	var out []render.Document
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if path.Base(name) == "NOTES.txt" || strings.TrimSpace(texts[name]) == "" {
			continue
		}
		docs, err := render.DecodeRendered(l.template(c, name), []byte(texts[name]))
		if err != nil {
			return nil, rendered(texts[name], err)
		}
		for _, d := range docs {
			d.Line = 0
			if !test(d.Value) {
				out = append(out, d)
			}
		}
	}
	return out, nil
}

// test says whether an object is run only by `helm test`. Other hooks stay, with their
// annotations: who applies the set knows what they mean.
func test(object map[string]any) bool {
	meta, _ := object["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	hook, _ := annotations["helm.sh/hook"].(string)
	if hook == "" {
		return false
	}
	for _, h := range strings.Split(hook, ",") {
		switch strings.TrimSpace(h) {
		case "test", "test-success", "test-failure":
		default:
			return false
		}
	}
	return true
}

// definitions are what is in the crds directories: no templates.
func (l loader) definitions(c *chart.Chart) ([]render.Document, error) {
	crds := c.CRDObjects()
	slices.SortFunc(crds, func(a, b chart.CRD) int { return strings.Compare(a.Filename, b.Filename) })
	var out []render.Document
	for _, crd := range crds {
		docs, err := render.DecodeRendered(l.template(c, crd.Filename), crd.File.Data)
		if err != nil {
			return nil, err
		}
		out = append(out, docs...)
	}
	return out, nil
}

// capabilities are what templates can know of the cluster. Kinds that the chart itself
// defines count, as they do when Helm installs it.
func capabilities(c *chart.Chart, req render.Request) (*common.Capabilities, error) {
	caps := &common.Capabilities{KubeVersion: common.DefaultCapabilities.KubeVersion, HelmVersion: common.DefaultCapabilities.HelmVersion}
	if v := req.Cluster.Version; v != "" {
		parsed, err := common.ParseKubeVersion(v)
		if err != nil {
			return nil, render.Refuse("", 0, "version %.40q of the cluster: %v", v, err)
		}
		caps.KubeVersion = *parsed
	}
	versions := req.Cluster.APIVersions
	if len(versions) == 0 {
		versions = common.DefaultVersionSet
	}
	if !req.Chart.SkipCRDs {
		for _, crd := range c.CRDObjects() {
			docs, _ := render.DecodeRendered(crd.Filename, crd.File.Data)
			for _, d := range docs {
				versions = append(versions[:len(versions):len(versions)], served(d.Value)...)
			}
		}
	}
	caps.APIVersions = versions
	return caps, nil
}

// served are the API versions that a definition adds.
func served(crd map[string]any) []string {
	spec, _ := crd["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	group, _ := spec["group"].(string)
	kind, _ := names["kind"].(string)
	list, _ := spec["versions"].([]any)
	var out []string
	for _, item := range list {
		v, _ := item.(map[string]any)
		if name, _ := v["name"].(string); name != "" && group != "" && v["served"] == true {
			out = append(out, group+"/"+name, group+"/"+name+"/"+kind)
		}
	}
	return out
}
