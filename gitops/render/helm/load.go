package helm

import (
	"bytes"
	"cmp"
	"path"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"

	"slipway.dev/gitops/render"
)

const (
	maxChartDepth = 12 // charts within charts
	maxDirDepth   = 30
	maxCharts     = 200
)

// loader reads charts out of the tree.
type loader struct {
	tree *render.Tree
	// place is the directory of the chart, or what an archive is called in messages.
	place string
	// incomplete: something is needed, and the rest is only looked at for what else is.
	incomplete bool
	charts     int
	// given are the values that were merged, in their order, to say where one is.
	given []*render.Places
	// files of the chart itself, for value files within it.
	files []*archive.BufferedFile
}

// at names a file of the chart.
func (l *loader) at(file string) string { return path.Join(l.place, file) }

// open loads the chart with all its dependencies.
func (l *loader) open(packed string) (*chart.Chart, error) {
	var err error
	if packed == "" {
		l.files, err = l.directory(l.place)
	} else {
		l.place = "chart"
		var data []byte
		if data, err = l.tree.Archive(packed); err == nil {
			l.files, err = l.unpack(packed, data, 0)
		}
	}
	if err != nil {
		return nil, err
	}
	return l.chart(l.files, l.place, 0)
}

// chart makes a chart of its files. Archives of subcharts were unpacked into them.
func (l *loader) chart(files []*archive.BufferedFile, place string, depth int) (*chart.Chart, error) {
	if l.charts++; l.charts > maxCharts || depth > maxChartDepth {
		return nil, render.Refuse(place, 0, "more than %d charts, or nested more than %d deep", maxCharts, maxChartDepth)
	}
	var broken error
	for _, f := range files {
		switch path.Base(f.Name) {
		case "Chart.yaml", "Chart.lock", "values.yaml", "requirements.yaml", "requirements.lock":
			_, err := render.DecodeRendered(path.Join(place, f.Name), f.Data)
			if err != nil && render.OverLimit(err) {
				return nil, err
			}
			broken = cmp.Or(broken, err)
		}
	}
	c, err := chartloader.LoadFiles(clone(files))
	if err != nil {
		// Ours names the line.
		return nil, cmp.Or[error](broken, render.Refuse(path.Join(place, "Chart.yaml"), 0, "%v", err))
	}
	if c.Metadata.Type != "" && c.Metadata.Type != "application" && c.Metadata.Type != "library" {
		return nil, render.Refuse(path.Join(place, "Chart.yaml"), 0, "type %q is not known", c.Metadata.Type)
	}
	return c, l.complete(c, place, depth)
}

// clone the list: Helm changes the names in it.
func clone(files []*archive.BufferedFile) []*archive.BufferedFile {
	out := make([]*archive.BufferedFile, len(files))
	for i, f := range files {
		copied := *f
		out[i] = &copied
	}
	return out
}

// directory reads a chart of the tree, without what its .helmignore names.
func (l *loader) directory(dir string) ([]*archive.BufferedFile, error) {
	if !l.tree.Exists(path.Join(dir, "Chart.yaml")) {
		return nil, render.Refuse(dir, 0, "there is no Chart.yaml; set spec.source.path to the directory of the chart")
	}
	rules := ignore.Empty()
	if file := path.Join(dir, ignore.HelmIgnore); l.tree.Exists(file) {
		data, err := l.tree.Read(file)
		if err != nil {
			return nil, err
		}
		if rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			return nil, render.Refuse(file, 0, "%v", err)
		}
	}
	rules.AddDefaults()
	var out []*archive.BufferedFile
	return out, l.walk(dir, "", rules, &out)
}

func (l *loader) walk(dir, below string, rules *ignore.Rules, out *[]*archive.BufferedFile) error {
	if strings.Count(below, "/") > maxDirDepth {
		return render.Refuse(path.Join(dir, below), 0, "more than %d directories deep", maxDirDepth)
	}
	names, err := l.tree.ReadDir(path.Join(dir, below))
	if err != nil {
		return err
	}
	for _, n := range names {
		name := path.Join(below, n)
		file := path.Join(dir, name)
		info, err := l.tree.Stat(file)
		if err != nil {
			return err
		}
		switch {
		case rules.Ignore(name, info), file == render.BroughtDir:
			continue
		case info.IsDir():
			err = l.walk(dir, name, rules, out)
		case path.Dir(name) == "charts" && path.Ext(name) == ".tgz":
			err = l.subchart(file, name, out)
		default:
			var data []byte
			if data, err = l.tree.Read(file); err == nil {
				*out = append(*out, &archive.BufferedFile{Name: name, Data: bytes.TrimPrefix(data, utf8BOM)})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var utf8BOM = []byte{0xEF, 0xBB, 0xBF}

// subchart unpacks charts/x.tgz of the tree into charts/x.
func (l *loader) subchart(file, name string, out *[]*archive.BufferedFile) error {
	data, err := l.tree.Archive(file)
	if err != nil {
		return err
	}
	files, err := l.unpack(file, data, 1)
	if err != nil {
		return err
	}
	*out = append(*out, below(strings.TrimSuffix(name, ".tgz"), files)...)
	return nil
}

func below(dir string, files []*archive.BufferedFile) []*archive.BufferedFile {
	for _, f := range files {
		f.Name = path.Join(dir, f.Name)
	}
	return files
}
