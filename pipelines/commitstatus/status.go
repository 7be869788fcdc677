package commitstatus

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
)

// State of a run as forges know it; each has its own words for them.
type State string

// The states.
const (
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	// Refused is a run whose pipeline file could not be compiled.
	Refused  State = "refused"
	Canceled State = "canceled"
)

// Status is what a forge is told of a commit.
type Status struct {
	Commit string
	// Branch or Tag, short; empty where the ref is neither.
	Ref string
	// FullRef is the same with its refs/heads/ or refs/tags/.
	FullRef     string
	State       State
	Context     string
	Description string
	// URL of the run's page.
	URL string
	// Coverage in per cent, where known.
	Coverage *float64
}

// maxDescription is GitHub's limit; the others' are larger.
const maxDescription = 140

// Of a run as it is now. server is the front door's address as people know it.
func Of(run *v1alpha1.Run, forge *v1alpha1.Forge, server string) Status {
	s := Status{
		Commit: run.Spec.Commit, Ref: shortRef(run.Spec.Ref), FullRef: fullRef(run.Spec.Ref), Context: contextOf(run, forge),
		URL: strings.TrimSuffix(server, "/") + "/runs/" + url.PathEscape(run.Namespace) + "/" + url.PathEscape(run.Name),
	}
	if f, err := strconv.ParseFloat(run.Status.Coverage, 64); err == nil && f >= 0 && f <= 100 {
		s.Coverage = &f
	}
	s.State, s.Description = state(run)
	s.Description = clip(s.Description, maxDescription)
	return s
}

// previewWord stands between what a run says and where its commit can be looked at.
const previewWord = "; preview: "

// preview adds an address to the description, whole or not at all.
func (s *Status) preview(address string) {
	if address != "" && len(s.Description)+len(previewWord)+len(address) <= maxDescription {
		s.Description += previewWord + address
	}
}

func state(run *v1alpha1.Run) (State, string) {
	st := &run.Status
	switch st.Phase {
	case v1alpha1.Running:
		return Running, "running"
	case v1alpha1.Succeeded:
		if len(st.Jobs) == 0 && st.Message != "" {
			return Succeeded, st.Message
		}
		text := "passed" + took(" in ", st)
		if st.Coverage != "" {
			text += ", coverage " + st.Coverage + " %"
		}
		return Succeeded, text
	case v1alpha1.Canceled:
		text := "canceled" + took(" after ", st)
		if st.Message != "" {
			text += ": " + st.Message
		}
		return Canceled, text
	case v1alpha1.Failed:
		if len(st.Problems) > 0 {
			return Refused, "pipeline file refused: " + problem(st.Problems)
		}
		return Failed, failure(st)
	}
	return Queued, "queued"
}

// failure names the first job that failed the run. Its message stays here: a forge may
// show statuses to people who may not see the run.
func failure(st *v1alpha1.RunStatus) string {
	var first *v1alpha1.JobStatus
	more := 0
	for i := range st.Jobs {
		switch js := &st.Jobs[i]; {
		case js.Phase != v1alpha1.Failed || js.AllowFailure:
		case first == nil:
			first = js
		default:
			more++
		}
	}
	if first == nil {
		return "failed" + took(" after ", st)
	}
	text := "job " + first.Name
	if first.Stage != "" && first.Stage != first.Name {
		text += " of stage " + first.Stage
	}
	text += " failed" + took(" after ", st)
	switch {
	case first.ExitCode != nil && *first.ExitCode != 0:
		text += fmt.Sprintf(" (exit code %d)", *first.ExitCode)
	case first.Reason != "":
		text += " (" + first.Reason + ")"
	}
	if more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

func problem(all []v1alpha1.Problem) string {
	p := all[0]
	text := p.File
	if p.Line > 0 {
		text += ":" + strconv.Itoa(p.Line)
	}
	text += ": " + p.Message
	if n := len(all) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return text
}

func took(word string, st *v1alpha1.RunStatus) string {
	if st.StartedAt == nil || st.FinishedAt == nil {
		return ""
	}
	d := st.FinishedAt.Sub(st.StartedAt.Time)
	if d < time.Second {
		return word + "less than a second"
	}
	return word + d.Round(time.Second).String()
}

// contextOf is the name of the status: one for a repository, so that a forge can be told
// to require it, but for tags and merge requests, whose runs do other things.
func contextOf(run *v1alpha1.Run, forge *v1alpha1.Forge) string {
	name := forge.Context
	if name == "" {
		name = "slipway/" + run.Spec.Repository
	}
	switch {
	case run.Spec.Target != "":
		return name + "/merge-request"
	case strings.HasPrefix(run.Spec.Ref, "refs/tags/"):
		return name + "/tag"
	}
	return name
}

func shortRef(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if short, ok := strings.CutPrefix(ref, prefix); ok {
			return short
		}
	}
	return ""
}

func fullRef(ref string) string {
	if shortRef(ref) == "" {
		return ""
	}
	return ref
}

// clip s to one line of at most n characters.
func clip(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " "))
	if len(r) > n {
		r = append(r[:n-1], '…')
	}
	return string(r)
}
