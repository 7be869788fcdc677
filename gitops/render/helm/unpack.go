package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"

	"slipway.dev/gitops/render"
)

// unpack reads a packed chart: files below one directory, nothing that leads out of it,
// and archives of subcharts within. It never writes.
func (l *loader) unpack(file string, data []byte, depth int) ([]*archive.BufferedFile, error) {
	refuse := func(format string, args ...any) error { return render.Refuse(file, 0, format, args...) }
	if depth > maxChartDepth {
		return nil, refuse("charts are nested more than %d deep", maxChartDepth)
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, refuse("this is not a packed chart: %v", err)
	}
	tr := tar.NewReader(zr)
	var out []*archive.BufferedFile
	seen := map[string]bool{}
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, refuse("unpack: %v", err)
		}
		switch h.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
			if err := l.tree.Spend(file, 1, 0); err != nil {
				return nil, err
			}
			continue
		case tar.TypeReg:
		default:
			return nil, refuse("%.200q is a link or a device; a chart holds files only", h.Name)
		}
		name, ok := inside(h.Name)
		if !ok || seen[name] {
			return nil, refuse("%.200q leaves the chart, or is in it twice", h.Name)
		}
		seen[name] = true
		content, err := l.entry(file, tr)
		if err != nil {
			return nil, err
		}
		if path.Dir(name) == "charts" && path.Ext(name) == ".tgz" {
			sub, err := l.unpack(file+"/"+name, content, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, below(strings.TrimSuffix(name, ".tgz"), sub)...)
			continue
		}
		out = append(out, &archive.BufferedFile{Name: name, Data: bytes.TrimPrefix(content, utf8BOM)})
	}
	if !slices.ContainsFunc(out, func(f *archive.BufferedFile) bool { return f.Name == "Chart.yaml" }) {
		return nil, refuse("this is not a packed chart: there is no Chart.yaml in its directory")
	}
	return out, nil
}

// entry reads one file of an archive in pieces that are counted before the next one.
func (l *loader) entry(file string, r io.Reader) ([]byte, error) {
	if err := l.tree.Spend(file, 1, 0); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for {
		n, err := io.CopyN(&b, r, 256<<10)
		if spent := l.tree.Spend(file, 0, n); spent != nil {
			return nil, spent
		}
		if errors.Is(err, io.EOF) {
			return b.Bytes(), nil
		}
		if err != nil {
			return nil, render.Refuse(file, 0, "unpack: %v", err)
		}
	}
}

// inside strips the directory that a chart is packed in. A name that is not clean, or
// leads elsewhere, is none of a chart.
func inside(name string) (string, bool) {
	if strings.ContainsAny(name, "\\\x00\r\n:") || path.IsAbs(name) || len(name) > 4096 {
		return "", false
	}
	name = strings.TrimPrefix(name, "./")
	_, rest, ok := strings.Cut(name, "/")
	if !ok || rest == "" || path.Clean(name) != name || strings.HasPrefix(name, "../") || strings.HasPrefix(rest, "../") {
		return "", false
	}
	return rest, true
}
