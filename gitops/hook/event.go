package hook

import (
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/text"
)

// The kinds of events that are acted on.
const (
	Push         = "push"
	Tag          = "tag"
	Delete       = "delete" // of a branch or tag
	MergeRequest = "merge-request"
	Ping         = "ping"
)

// Event is what a delivery says, in one form for all forges.
type Event struct {
	// Kind is empty where Ignored says why nothing is done.
	Kind string `json:"kind,omitempty"`
	// Name is the forge's own word for it, such as "pull_request synchronize".
	Name string `json:"name"`
	// Project that it is about, as the forge names it; empty where it names none.
	Project string `json:"project,omitempty"`
	// Refs that changed; the first ones of many.
	Refs []Ref `json:"refs,omitempty"`
	// MergeRequest as the forge describes it. Its Commit is what the forge says.
	MergeRequest *v1alpha1.MergeRequest `json:"mergeRequest,omitempty"`
	Ignored      string                 `json:"ignored,omitempty"`
}

// Ref is a branch or tag that changed. Before and After are empty where there was, or is,
// nothing.
type Ref struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Acts says whether the repository is looked at for it.
func (e *Event) Acts() bool { return e.Kind != "" && e.Kind != Ping }

// maxRefs of one event that are kept.
const maxRefs = 20

// ref puts a change into the event; the last one decides what kind it is.
func (e *Event) ref(name, before, after string) {
	if before = text.Clip(before, 64); strings.Trim(before, "0") == "" {
		before = ""
	}
	if after = text.Clip(after, 64); strings.Trim(after, "0") == "" {
		after = ""
	}
	name = text.Clip(name, 250)
	switch {
	case after == "":
		e.Kind = Delete
	case strings.HasPrefix(name, "refs/tags/"):
		e.Kind = Tag
	case strings.HasPrefix(name, "refs/heads/"):
		e.Kind = Push
	default:
		e.Kind = Push // notes and the like are looked at as branches are
	}
	if len(e.Refs) < maxRefs {
		e.Refs = append(e.Refs, Ref{Name: name, Before: before, After: after})
	}
}

// request fills in what the forges have in common, within the bounds of the type.
func (e *Event) request(m v1alpha1.MergeRequest, updated time.Time) error {
	m.Title, m.Author = oneLine(m.Title, 300), oneLine(m.Author, 200)
	m.Source, m.Target = strings.TrimPrefix(m.Source, "refs/heads/"), strings.TrimPrefix(m.Target, "refs/heads/")
	m.SourceProject, m.URL, m.Commit = oneLine(m.SourceProject, 500), oneLine(m.URL, 1000), text.Clip(m.Commit, 64)
	switch {
	case m.Number < 1:
		return missing("the number of the merge request")
	case m.Source == "" || len(m.Source) > 250:
		return missing("the source branch of the merge request")
	case m.Target == "" || len(m.Target) > 250:
		return missing("the target branch of the merge request")
	case m.State == "":
		return missing("the state of the merge request")
	}
	if !m.Fork {
		m.SourceProject = ""
	}
	m.Updated = metav1.NewTime(updated.UTC().Truncate(time.Second))
	e.Kind, e.MergeRequest = MergeRequest, &m
	return nil
}

// oneLine is s without line breaks and control characters.
func oneLine(s string, n int) string {
	return text.Clip(strings.Join(strings.FieldsFunc(s, unicode.IsControl), " "), n)
}
