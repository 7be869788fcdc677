package render

import (
	"path"
	"slices"
	"strings"
)

// BroughtDir is the directory of a tree into which the server puts what an earlier
// answer asked for. A repository's own directory of this name is never seen.
const BroughtDir = ".slipway-render"

// Kinds of Need.
const (
	NeedPlain = "plain text" // of the encrypted file Name
	NeedChart = "chart"      // Name, of exactly Version, from Repository
	NeedBase  = "base"       // the Kustomize base at URL Name
	NeedHelm  = "helm"       // the program that can render charts
)

const maxNeeds = 200

// Need is what only the server can bring, because a child has neither network nor
// keys: it says what it needs, the server brings it, and another child starts over.
type Need struct {
	Kind       string `json:"kind"`
	Name       string `json:"name,omitempty"`
	Version    string `json:"version,omitempty"`
	Repository string `json:"repository,omitempty"`
	// File and Line that ask for it.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Key names what is needed, whoever asks: the key of Request.Brought.
func (n Need) Key() string {
	return strings.Join([]string{n.Kind, n.Repository, n.Name, n.Version}, "\n")
}

// Read is a path that a rendering looked at.
type Read struct {
	Path string `json:"path"`
	// How: "file" and "list" depend on what is there, "stat" only on what kind of thing
	// it is, or that it is missing.
	How string `json:"how"`
}

// Ways of Read.
const (
	ReadFile = "file"
	ReadList = "list"
	ReadStat = "stat"
)

// Answer is what a rendering gives: a set, or what is needed for one.
type Answer struct {
	Set   *Set
	Needs []Need
	// Reads are the paths that the set depends on; sorted.
	Reads []Read
	// Clock says how closely templates looked at Chart.Time.
	Clock Clock
}

// Clock is how closely a rendering looked at the time that it was given.
type Clock string

// The ways to look: not at all, at the month only, or at the second.
const (
	ClockUnseen Clock = ""
	ClockMonth  Clock = "month"
	ClockExact  Clock = "exact"
)

// SawClock notes that the time was looked at.
func (t *Tree) SawClock(c Clock) {
	if t.clock != ClockExact {
		t.clock = c
	}
}

// Brought is where the server put what is needed, if it did.
func (t *Tree) Brought(n Need) (file string, ok bool) {
	file, ok = t.brought[n.Key()]
	return file, ok
}

// Need asks for something. The rendering goes on as far as it gets, so that one answer
// asks for as much as possible; its result is then thrown away.
func (t *Tree) Need(n Need) error {
	if slices.ContainsFunc(t.needs, func(have Need) bool { return have.Key() == n.Key() }) {
		return nil
	}
	if len(t.needs) == maxNeeds {
		return t.keep(Refuse(n.File, n.Line, "more than %d things from elsewhere are needed", maxNeeds))
	}
	t.needs = append(t.needs, n)
	return nil
}

// looked notes a path for the answer.
func (t *Tree) looked(p, how string) {
	if p == BroughtDir || strings.HasPrefix(p, BroughtDir+"/") {
		return
	}
	if t.reads == nil {
		t.reads = map[Read]bool{}
	}
	t.reads[Read{path.Clean(p), how}] = true
}

func (t *Tree) sortedReads() []Read {
	out := make([]Read, 0, len(t.reads))
	for r := range t.reads {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Read) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return strings.Compare(a.How, b.How)
	})
	return out
}
