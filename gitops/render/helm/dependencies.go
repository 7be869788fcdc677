package helm

import (
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/util"

	"slipway.dev/gitops/render"
)

// complete adds the dependencies that are not in the charts directory: those of the
// repository at once, those from elsewhere when the server has brought them.
func (l *loader) complete(c *chart.Chart, place string, depth int) error {
	for _, d := range c.Metadata.Dependencies {
		if d == nil || has(c, d) {
			continue
		}
		sub, err := l.dependency(c, d, place, depth)
		if err != nil {
			return err
		}
		if sub == nil {
			l.incomplete = true
			continue
		}
		if sub.Name() != d.Name || !util.IsCompatibleRange(d.Version, sub.Metadata.Version) {
			return named(c, d, place).Refuse("dependency %q %s: what is there is %q %s", d.Name, d.Version, sub.Name(), sub.Metadata.Version)
		}
		c.AddDependency(sub)
	}
	// Subcharts that came with the chart have dependencies of their own.
	subcharts := c.Dependencies()
	for _, sub := range subcharts {
		if err := l.complete(sub, path.Join(place, "charts", sub.Name()), depth+1); err != nil {
			return err
		}
	}
	// Helm reads them in the order of a map.
	slices.SortStableFunc(subcharts, func(a, b *chart.Chart) int {
		if n := strings.Compare(a.Name(), b.Name()); n != 0 {
			return n
		}
		return strings.Compare(a.Metadata.Version, b.Metadata.Version)
	})
	c.SetDependencies(subcharts...)
	return nil
}

func has(c *chart.Chart, d *chart.Dependency) bool {
	return slices.ContainsFunc(c.Dependencies(), func(sub *chart.Chart) bool {
		return sub.Name() == d.Name && (d.Version == "" || util.IsCompatibleRange(d.Version, sub.Metadata.Version))
	})
}

// dependency loads one that is not in the charts directory; nil if it is to be brought.
func (l *loader) dependency(c *chart.Chart, d *chart.Dependency, place string, depth int) (*chart.Chart, error) {
	at := named(c, d, place)
	switch scheme, rest, ok := strings.Cut(d.Repository, "://"); {
	case scheme == "file" && ok:
		if l.tree == nil || strings.HasPrefix(place, "chart/") || place == "chart" {
			return nil, at.Refuse("dependency %q: %s is outside of the packed chart", d.Name, d.Repository)
		}
		dir := path.Join(place, rest)
		if path.IsAbs(rest) || dir == ".." || strings.HasPrefix(dir, "../") {
			return nil, at.Refuse("dependency %q: %s leaves the repository", d.Name, d.Repository)
		}
		files, err := l.directory(dir)
		if err != nil {
			return nil, err
		}
		return l.chart(files, dir, depth+1)
	case ok && (scheme == "https" || scheme == "http" || scheme == "oci"):
		version, err := exact(c, d, at)
		if err != nil {
			return nil, err
		}
		need := render.Need{Kind: render.NeedChart, Name: d.Name, Version: version, Repository: strings.TrimSuffix(d.Repository, "/"), File: at.File, Line: at.Line}
		file, brought := l.tree.Brought(need)
		if !brought {
			return nil, l.tree.Need(need)
		}
		data, err := l.tree.Archive(file)
		if err != nil {
			return nil, err
		}
		files, err := l.unpack(file, data, depth+1)
		if err != nil {
			return nil, err
		}
		return l.chart(files, path.Join(place, "charts", d.Name), depth+1)
	case strings.HasPrefix(d.Repository, "@") || strings.HasPrefix(d.Repository, "alias:"):
		return nil, at.Refuse("dependency %q: %q is a name of one machine; write the repository's address", d.Name, d.Repository)
	case d.Repository == "":
		return nil, at.Refuse("dependency %q %s is not in the charts directory, and no repository of it is named; commit the chart there, or name its repository", d.Name, d.Version)
	}
	return nil, at.Refuse("dependency %q: repository %.200q is neither https://, oci:// nor file://", d.Name, d.Repository)
}

// named is where a chart names a dependency.
func named(c *chart.Chart, d *chart.Dependency, place string) render.Place {
	for _, name := range []string{"Chart.yaml", "requirements.yaml"} {
		for _, f := range c.Raw {
			if f.Name != name {
				continue
			}
			if at := render.NewPlaces(path.Join(place, name), f.Data).Of(d.Name); at.Line > 0 {
				return at
			}
		}
	}
	return render.Place{File: path.Join(place, "Chart.yaml")}
}

// exact is the version that Chart.lock fixes, or that is named exactly: a release must
// not depend on the day that it is rendered.
func exact(c *chart.Chart, d *chart.Dependency, at render.Place) (string, error) {
	if c.Lock != nil {
		for _, locked := range c.Lock.Dependencies {
			if locked != nil && locked.Name == d.Name && strings.TrimSuffix(locked.Repository, "/") == strings.TrimSuffix(d.Repository, "/") &&
				(d.Version == "" || util.IsCompatibleRange(d.Version, locked.Version)) {
				return locked.Version, nil
			}
		}
	}
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(d.Version, "v")); err == nil {
		return d.Version, nil
	}
	return "", at.Refuse("dependency %q: version %q is a range, and Chart.lock does not fix it; run `helm dependency update` and commit Chart.lock", d.Name, d.Version)
}
