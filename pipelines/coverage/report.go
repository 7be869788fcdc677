package coverage

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Report says which lines were covered.
type Report struct {
	// Lines that could be covered, and those that were.
	Lines   int `json:"lines"`
	Covered int `json:"covered"`
	// Files by path, sorted.
	Files []File `json:"files"`
	// Cut: there were more files or lines than are kept; the figures count them all.
	Cut bool `json:"cut,omitempty"`
}

// File of a report.
type File struct {
	// Path from the root of the repository where the report says it, else as it does.
	Path    string `json:"path"`
	Lines   int    `json:"lines"`
	Covered int    `json:"covered"`
	// Hit and Missed lines as ranges: "1-3,7".
	Hit    string `json:"hit,omitempty"`
	Missed string `json:"missed,omitempty"`
}

// Percent of the lines that were covered, with two digits; empty where there are none.
func Percent(covered, lines int) string {
	if lines == 0 {
		return ""
	}
	return strconv.FormatFloat(100*float64(covered)/float64(lines), 'f', 2, 64)
}

// builder collects hits by file and line.
type builder struct {
	files map[string]map[int]bool
	lines int
	cut   bool
}

func (b *builder) add(path string, line int, hit bool) {
	f := b.files[path]
	if f == nil {
		if len(b.files) == maxFiles {
			b.cut = true
			return
		}
		f = map[int]bool{}
		b.files[path] = f
	}
	if was, there := f[line]; there {
		f[line] = was || hit
		return
	}
	if b.lines == maxLines {
		b.cut = true
		return
	}
	b.lines++
	f[line] = hit
}

func (b *builder) report() *Report {
	r := &Report{Cut: b.cut, Files: []File{}}
	for _, path := range slices.Sorted(maps.Keys(b.files)) {
		f := File{Path: path}
		var hit, missed []int
		for _, line := range slices.Sorted(maps.Keys(b.files[path])) {
			if b.files[path][line] {
				hit = append(hit, line)
			} else {
				missed = append(missed, line)
			}
		}
		f.Lines, f.Covered, f.Hit, f.Missed = len(hit)+len(missed), len(hit), ranges(hit), ranges(missed)
		r.Lines, r.Covered = r.Lines+f.Lines, r.Covered+f.Covered
		r.Files = append(r.Files, f)
	}
	return r
}

// ranges of sorted numbers.
func ranges(lines []int) string {
	var b strings.Builder
	for i := 0; i < len(lines); {
		j := i
		for j+1 < len(lines) && lines[j+1] == lines[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(lines[i]))
		if j > i {
			fmt.Fprintf(&b, "-%d", lines[j])
		}
		i = j + 1
	}
	return b.String()
}

// each number of ranges, as far as it is one.
func each(text string, f func(line int)) {
	for part := range strings.SplitSeq(text, ",") {
		from, to, both := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		b := a
		if both && err == nil {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 1 || b-a > maxLines {
			continue
		}
		for ; a <= b; a++ {
			f(a)
		}
	}
}

// Merge reports of several jobs: a line counts as covered where one of them says so.
func Merge(reports ...*Report) *Report {
	if len(reports) == 1 {
		return reports[0]
	}
	b := builder{files: map[string]map[int]bool{}}
	for _, r := range reports {
		b.cut = b.cut || r.Cut
		for _, f := range r.Files {
			each(f.Missed, func(line int) { b.add(f.Path, line, false) })
			each(f.Hit, func(line int) { b.add(f.Path, line, true) })
		}
	}
	return b.report()
}

// Change of a file between two reports. A file that one of them lacks has zeros there.
type Change struct {
	Path          string `json:"path"`
	Lines         int    `json:"lines"`
	Covered       int    `json:"covered"`
	BeforeLines   int    `json:"beforeLines"`
	BeforeCovered int    `json:"beforeCovered"`
}

// Compare the files of two reports: those whose figures differ, what got worse first.
func Compare(before, after *Report) []Change {
	was := map[string]File{}
	for _, f := range before.Files {
		was[f.Path] = f
	}
	out := []Change{}
	for _, f := range after.Files {
		b := was[f.Path]
		delete(was, f.Path)
		if f.Lines != b.Lines || f.Covered != b.Covered {
			out = append(out, Change{f.Path, f.Lines, f.Covered, b.Lines, b.Covered})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(was)) {
		out = append(out, Change{Path: path, BeforeLines: was[path].Lines, BeforeCovered: was[path].Covered})
	}
	missed := func(c Change) int { return (c.Lines - c.Covered) - (c.BeforeLines - c.BeforeCovered) }
	slices.SortStableFunc(out, func(a, b Change) int { return missed(b) - missed(a) })
	return out
}
