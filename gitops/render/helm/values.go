package helm

import (
	"bytes"
	"errors"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"

	"slipway.dev/gitops/render"
)

// values merges those of files and of the request: later ones win.
func values(t *render.Tree, l *loader, c *chart.Chart, dir string, req render.Chart) (common.Values, error) {
	vals := map[string]any{}
	for _, f := range l.files {
		if f.Name == "values.yaml" {
			l.given = append(l.given, render.NewPlaces(l.at(f.Name), f.Data))
		}
	}
	for _, name := range req.ValueFiles {
		data, file, err := valueFile(t, l, dir, name, req.FilesOfChart)
		if errors.Is(err, errMissing) && req.IgnoreMissing {
			continue
		}
		if err != nil {
			return nil, err
		}
		if vals, err = merge(vals, file, data); err != nil {
			return nil, err
		}
		l.given = append(l.given, render.NewPlaces(file, data))
	}
	for _, v := range req.Values {
		var err error
		if vals, err = merge(vals, v.From, []byte(v.Text)); err != nil {
			return nil, err
		}
		l.given = append(l.given, render.NewPlaces(v.From, []byte(v.Text)))
	}
	return vals, nil
}

func valueFile(t *render.Tree, l *loader, dir, name string, ofChart bool) (data []byte, file string, err error) {
	if ofChart {
		for _, f := range l.files {
			if f.Name == path.Clean(name) {
				return f.Data, l.at(f.Name), nil
			}
		}
		return nil, "", missing("values file %.200q is not in the chart", name)
	}
	file = path.Join(dir, name)
	if rest, ok := strings.CutPrefix(name, "/"); ok {
		file = path.Clean(rest)
	}
	if file == ".." || strings.HasPrefix(file, "../") || strings.ContainsAny(name, "\x00\r\n\\") {
		return nil, "", render.Refuse("", 0, "values file %.200q leaves the repository", name)
	}
	if !t.Exists(file) {
		return nil, "", missing("values file %.200q is not in the commit (%s)%s", name, file, others(t, path.Dir(file)))
	}
	data, err = t.Read(file)
	return data, file, err
}

// errMissing is wrapped where a file of values is not there.
var errMissing = errors.New("missing")

// missing is a refusal that can be told from others.
func missing(format string, args ...any) error {
	return missingError{render.Refuse("", 0, format, args...)}
}

type missingError struct{ refusal *render.Error }

func (e missingError) Error() string   { return e.refusal.Error() }
func (e missingError) Unwrap() []error { return []error{e.refusal, errMissing} }

// others says which YAML files there are where one of values is missing.
func others(t *render.Tree, dir string) string {
	if !t.IsDir(dir) {
		return ""
	}
	names, err := t.ReadDir(dir)
	if err != nil {
		return ""
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "Chart.yaml" || path.Ext(n) != ".yaml" && path.Ext(n) != ".yml" })
	if len(names) == 0 {
		return ""
	}
	return "; there are " + strings.Join(names[:min(len(names), 10)], ", ")
}

// merge adds one text of values, read as Helm reads it once it is known to be harmless.
func merge(vals map[string]any, from string, data []byte) (map[string]any, error) {
	if _, err := render.DecodeRendered(from, data); err != nil {
		return nil, err
	}
	more, err := chartloader.LoadValues(bytes.NewReader(data))
	if err != nil {
		return nil, render.Refuse(from, 0, "%v", err)
	}
	return chartloader.MergeMaps(vals, more), nil
}
