package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"slipway.dev/cluster/text"
)

// Directory of a repository in which its dashboards are.
const Directory = "dashboards"

// Bounds of what a repository may bring.
const (
	MaxBytes = 1 << 20 // of a file
	MaxTotal = 8 << 20 // of a repository's
	MaxFiles = 100
	maxOwn   = 400 // panels of one
	maxTitle = 200
	maxTags  = 50
	maxAbout = 1000
)

// Own is a dashboard that somebody wrote.
type Own struct {
	UID         string   `json:"uid"`
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	// File that it is of; in a ConfigMap, with "#" and its key.
	File string          `json:"file"`
	JSON json.RawMessage `json:"json"`
}

// Problem is what is wrong with a file, and where. Line and Column are from 1, or 0.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	// Taken says that another repository has its UID, and may give it free.
	Taken bool `json:"taken,omitempty"`
}

// Error is FILE:LINE:COLUMN: what is wrong.
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// uids are what Grafana takes.
var uids = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// ValidUID says whether a UID is one that Grafana takes.
func ValidUID(uid string) bool { return uids.MatchString(uid) }

// Parse reads one dashboard in Grafana's JSON. An error is a Problem.
func Parse(file string, data []byte) (Own, error) {
	o, _, err := parse(data)
	if err != nil {
		return Own{}, problem(file, data, err)
	}
	o.File = file
	return o, nil
}

func problem(file string, data []byte, err error) Problem {
	p := Problem{File: file, Message: err.Error()}
	var m *mistake
	if errors.As(err, &m) {
		p.Line, p.Column = lineOf(data, m.at)
	}
	return p
}

// parse says also where the UID is.
func parse(data []byte) (o Own, uidAt int, err error) {
	if len(data) > MaxBytes {
		return o, 0, fmt.Errorf("larger than %d KiB", MaxBytes>>10)
	}
	v, err := read(data)
	if err != nil {
		return o, 0, err
	}
	if v.members == nil {
		return o, 0, wrong(v.at, "a dashboard is an object, not %s", v.is())
	}
	if err := classic(v); err != nil {
		return o, 0, err
	}
	if o.Title, err = v.text("title"); err == nil && strings.TrimSpace(o.Title) == "" {
		err = wrong(v.of("title").at, "title is empty")
	} else if err == nil && len(o.Title) > maxTitle {
		err = wrong(v.of("title").at, "title has more than %d bytes", maxTitle)
	}
	if err != nil {
		return o, 0, err
	}
	if o.UID, err = v.text("uid"); err != nil {
		return o, 0, err
	}
	uidAt = v.of("uid").at
	if !ValidUID(o.UID) {
		return o, 0, wrong(uidAt, "uid %q: want at most 40 letters, digits, - and _", clip(o.UID))
	}
	if strings.HasPrefix(o.UID, UID("")) {
		return o, 0, wrong(uidAt, "uid %q: those that begin with %q are of dashboards that ship", o.UID, UID(""))
	}
	panels, ok := v.members["panels"]
	if !ok || panels.list == nil {
		return o, 0, wrong(v.of("panels").at, "panels: want a list")
	}
	count := 0
	if err := checkPanels(panels.list, &count); err != nil {
		return o, 0, err
	}
	if count == 0 {
		return o, 0, wrong(panels.at, "it has no panels")
	}
	about, _ := v.text("description") // Grafana takes a dashboard without one
	o.Description = text.Clip(about, maxAbout)
	o.Tags, err = v.tags()
	o.JSON = data
	return o, uidAt, err
}

// classic refuses forms that only look like a dashboard, and says where one is.
func classic(v *value) error {
	inner, wrapped := v.members["dashboard"]
	_, version := v.members["apiVersion"]
	switch {
	case wrapped && inner.members != nil && v.members["panels"] == nil:
		return wrong(inner.at, `it is an answer of Grafana's API; keep only what is in "dashboard"`)
	case version && v.members["spec"] != nil:
		return wrong(v.at, "it is a resource of Grafana's newer API; export it as classic JSON")
	case v.members["panels"] == nil && v.members["rows"] != nil:
		return wrong(v.members["rows"].at, `it has the "rows" of Grafana 4; save it with a newer one`)
	}
	return nil
}

// of is a member, or the object itself where it is not there.
func (v *value) of(name string) *value {
	if m, ok := v.members[name]; ok {
		return m
	}
	return v
}

func (v *value) text(name string) (string, error) {
	m, ok := v.members[name]
	if !ok {
		return "", wrong(v.at, "%s is missing", name)
	}
	s, ok := m.plain.(string)
	if !ok {
		return "", wrong(m.at, "%s: want a string, not %s", name, m.is())
	}
	return s, nil
}

func (v *value) tags() (out []string, err error) {
	tags, ok := v.members["tags"]
	if !ok || tags.list == nil && tags.is() == "null" {
		return nil, nil
	}
	if tags.list == nil || len(tags.list) > maxTags {
		return nil, wrong(tags.at, "tags: want a list of at most %d strings", maxTags)
	}
	for _, t := range tags.list {
		s, ok := t.plain.(string)
		if !ok || len(s) > maxTitle {
			return nil, wrong(t.at, "tags: want strings of at most %d bytes", maxTitle)
		}
		out = append(out, s)
	}
	return out, nil
}

// checkPanels looks at them and at those of rows that are shut.
func checkPanels(panels []*value, count *int) error {
	for _, p := range panels {
		if p.members == nil {
			return wrong(p.at, "panels: want objects, not %s", p.is())
		}
		if *count++; *count > maxOwn {
			return wrong(p.at, "more than %d panels", maxOwn)
		}
		if _, library := p.members["libraryPanel"]; library {
			return wrong(p.of("libraryPanel").at, "a library panel is kept in one Grafana alone; unlink it before you export")
		}
		if kind, err := p.text("type"); err != nil {
			return err
		} else if kind == "" {
			return wrong(p.of("type").at, "type of a panel is empty")
		}
		within, ok := p.members["panels"]
		if !ok || within.is() == "null" {
			continue
		}
		if within.list == nil {
			return wrong(within.at, "panels: want a list")
		}
		if err := checkPanels(within.list, count); err != nil {
			return err
		}
	}
	return nil
}

func clip(s string) string { return text.Clip(s, 100) }
