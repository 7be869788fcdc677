package corpus

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

// Kept is what a run left behind.
type Kept interface {
	// Log of the newest attempt.
	Log(job string) (string, error)
	// Archive of the artifacts: contents by name.
	Archive(job string) (map[string]string, error)
	// Child is a run that a job started, once it has ended, and what it left.
	Child(run string) (*v1alpha1.Run, Kept, error)
	// Covered lines by file, as HIT/MISSED.
	Covered(job string) (map[string]string, error)
	// Report are the files of one kind: contents by name.
	Report(job, kind string) (map[string]string, error)
}

// Check says everything in which a run that ended is not as the step wants it.
func (s *Step) Check(run *v1alpha1.Run, kept Kept) []string {
	c := &checker{run: run, kept: kept}
	st := &run.Status
	if st.Phase != s.Phase || !strings.Contains(st.Message, s.Says) {
		c.add("the run is %s: %q %v; want %s: %q", st.Phase, st.Message, st.Problems, s.Phase, s.Says)
	}
	if !slices.Equal(places(st.Problems), s.Problems) {
		c.add("problems %+v; want %q", st.Problems, s.Problems)
	}
	c.figures("the run", s.Coverage, st.Coverage, s.Tests, st.Tests)
	seen := map[string]*v1alpha1.JobStatus{}
	for i := range st.Jobs {
		j := &st.Jobs[i]
		seen[j.Name] = j
		if _, ok := s.Jobs[j.Name]; !ok {
			c.add("job %s is not expected; it is %s", j.Name, j.Phase)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Jobs)) {
		want := s.Jobs[name]
		if seen[name] == nil {
			c.add("job %s is not there", name)
			continue
		}
		c.job(&want, seen[name], seen)
	}
	return c.said
}

// places of problems, as a step writes them.
func places(problems []v1alpha1.Problem) (out []string) {
	for _, p := range problems {
		out = append(out, fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Rule))
	}
	return out
}

// shownLog is how much of a log is shown, from its end.
const shownLog = 8 << 10

type checker struct {
	run  *v1alpha1.Run
	kept Kept
	said []string
}

func (c *checker) add(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

func (c *checker) figures(what, coverage, gotCoverage string, tests, gotTests *v1alpha1.TestCounts) {
	if coverage != gotCoverage {
		c.add("coverage of %s is %q; want %q", what, gotCoverage, coverage)
	}
	switch {
	case tests == nil && gotTests == nil:
	case tests == nil || gotTests == nil:
		c.add("tests of %s are %+v; want %+v", what, gotTests, tests)
	default:
		got, want := *gotTests, *tests
		got.Seconds, want.Seconds = "", ""
		if got != want {
			c.add("tests of %s are %+v; want %+v", what, got, want)
		}
	}
}

func (c *checker) job(want *Job, got *v1alpha1.JobStatus, all map[string]*v1alpha1.JobStatus) {
	log, err := "", error(nil)
	if got.Attempt > 0 {
		if log, err = c.kept.Log(got.Name); err != nil {
			c.add("log of %s: %v", got.Name, err)
		}
	}
	before := len(c.said)
	c.result(want, got)
	for _, name := range slices.Concat(want.After, want.Before) {
		other := all[name]
		if other == nil || other.FinishedAt == nil || got.StartedAt == nil {
			c.add("job %s and %s cannot be compared: one did not run", got.Name, name)
			continue
		}
		if after := !got.StartedAt.Before(other.FinishedAt); after != slices.Contains(want.After, name) {
			c.add("job %s started at %s, and %s ended at %s", got.Name, got.StartedAt, name, other.FinishedAt)
		}
	}
	c.figures("job "+got.Name, want.Coverage, got.Coverage, want.Tests, got.Tests)
	lines := Output(log)
	for _, line := range want.Lines {
		i := slices.Index(lines, line)
		if i < 0 {
			c.add("job %s did not print %q, or not in this place", got.Name, line)
			break
		}
		lines = lines[i+1:]
	}
	for _, text := range want.Has {
		if !strings.Contains(log, text) {
			c.add("the log of %s lacks %q", got.Name, text)
		}
	}
	for _, text := range want.Lacks {
		if strings.Contains(log, text) {
			c.add("the log of %s has %q", got.Name, text)
		}
	}
	c.artifacts(want, got)
	c.child(want, got)
	c.reports(want, got)
	if cut := len(log) - shownLog; len(c.said) > before && cut > 0 {
		log = fmt.Sprintf("(%d bytes before)\n%s", cut, log[cut:])
	}
	if len(c.said) > before && log != "" {
		c.add("job %s printed:\n%s", got.Name, log)
	}
}

// result of a job as its status has it.
func (c *checker) result(want *Job, got *v1alpha1.JobStatus) {
	if got.Phase != want.Phase || !strings.Contains(got.Message, want.Says) || (want.Reason != "" && got.Reason != want.Reason) {
		c.add("job %s is %s (%s): %q; want %s (%s): %q", got.Name, got.Phase, got.Reason, got.Message, want.Phase, want.Reason, want.Says)
	}
	if want.Exit != nil && (got.ExitCode == nil || *got.ExitCode != *want.Exit) {
		text := "none"
		if got.ExitCode != nil {
			text = fmt.Sprint(*got.ExitCode)
		}
		c.add("the exit code of %s is %s; want %d", got.Name, text, *want.Exit)
	}
	attempts := want.Attempts
	if attempts == 0 && (want.Phase == v1alpha1.Succeeded || want.Phase == v1alpha1.Failed) {
		attempts = 1
	}
	if want.Phase != v1alpha1.Canceled && got.Attempt != attempts {
		c.add("job %s had %d attempts; want %d", got.Name, got.Attempt, attempts)
	}
}

func (c *checker) reports(want *Job, got *v1alpha1.JobStatus) {
	exposed := ""
	if e := got.Exposed; e != nil {
		if exposed = e.Name; e.Path != "" {
			exposed += ":" + e.Path
		}
	}
	if exposed != want.Exposed {
		c.add("job %s has the link %q; want %q", got.Name, exposed, want.Exposed)
	}
	for kind, content := range want.Reports {
		have, err := c.kept.Report(got.Name, kind)
		if texts := slices.Collect(maps.Values(have)); err != nil || len(texts) != 1 || texts[0] != content {
			c.add("the %s report of %s: %q %v; want %q", kind, got.Name, texts, err, content)
		}
	}
	if want.Covered == nil {
		return
	}
	if have, err := c.kept.Covered(got.Name); err != nil || !maps.Equal(have, want.Covered) {
		c.add("coverage of %s: %v %v; want %v", got.Name, have, err, want.Covered)
	}
}

func (c *checker) artifacts(want *Job, got *v1alpha1.JobStatus) {
	if want.Artifacts == nil {
		return
	}
	have, err := map[string]string{}, error(nil)
	if got.Artifacts {
		if have, err = c.kept.Archive(got.Name); err != nil {
			c.add("artifacts of %s: %v", got.Name, err)
			return
		}
	}
	for name, data := range have {
		text, ok := want.Artifacts[name]
		switch {
		case !ok:
			c.add("job %s kept %s, which is not expected", got.Name, name)
		case text != nil && *text != data:
			c.add("job %s kept %s with %q; want %q", got.Name, name, data, *text)
		}
	}
	for name := range want.Artifacts {
		if _, ok := have[name]; !ok {
			c.add("job %s did not keep %s", got.Name, name)
		}
	}
}

// child that the job started, if it was to.
func (c *checker) child(want *Job, got *v1alpha1.JobStatus) {
	if (want.Child == nil) != (got.Child == "") {
		c.add("job %s started %q; want a run: %v", got.Name, got.Child, want.Child != nil)
	}
	if want.Child == nil || got.Child == "" {
		return
	}
	run, kept, err := c.kept.Child(got.Child)
	if err != nil {
		c.add("run %s, which job %s started: %v", got.Child, got.Name, err)
		return
	}
	for _, said := range want.Child.Check(run, kept) {
		c.add("run %s, which job %s started: %s", got.Child, got.Name, said)
	}
}

var (
	sections = regexp.MustCompile("section_(?:start|end):\\d+:[^\\r\\n]*\\r(?:\x1b\\[0K)*")
	commands = regexp.MustCompile("\x1b\\[32;1m\\$ (?s:.*?)\x1b\\[0;m\\n")
	colours  = regexp.MustCompile("\x1b\\[[0-9;]*[mK]")
)

// Output are the lines of a log without marks of sections, echoed commands and colours.
func Output(log string) []string {
	log = sections.ReplaceAllString(log, "")
	log = commands.ReplaceAllString(log, "")
	return strings.Split(strings.TrimSuffix(colours.ReplaceAllString(log, ""), "\n"), "\n")
}
