package gitlab

import (
	"embed"
	"strings"
)

// Templates of our own for include:template. They are written for this project.
//
//go:embed templates/*.gitlab-ci.yml
var templateFiles embed.FS

// Templates that include:template knows, by name.
func Templates() []string {
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (l *loader) template(name string, at place) []*unit {
	content, err := templateFiles.ReadFile("templates/" + name)
	if err != nil || strings.Contains(name, "/") {
		known := Templates()
		hint := "there are " + strings.Join(known, ", ")
		if n := nearest(name, known); n != "" {
			hint = didYouMean(name, known) + " " + hint
		}
		l.add(at, ruleInclude, hint, "there is no template %q here", name)
		return nil
	}
	return []*unit{{home: &home{key: "template"}, path: name, file: "template " + name, content: content, at: at}}
}
