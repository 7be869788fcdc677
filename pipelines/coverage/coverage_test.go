package coverage

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const cob = `<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage line-rate="0.5"><sources><source>/usr/lib/go</source><source>/builds/default/shop/src</source></sources>
<packages><package name="x"><classes>
<class name="A" filename="a.go"><methods><method><lines><line number="1" hits="1"/></lines></method></methods>
<lines><line number="1" hits="1"/><line number="2" hits="12"/><line number="3" hits="0"/><line number="9" hits="0"/></lines></class>
<class name="B" filename="/builds/default/shop/lib/b.go"><lines><line number="4" hits="00"/><line number="x" hits="1"/></lines></class>
</classes></package></packages></coverage>`

const jac = `<?xml version="1.0"?><!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd">
<report name="x"><group name="g"><package name="org/example"><class name="A"><method name="m"><counter type="LINE"/></method></class>
<sourcefile name="A.java"><line nr="3" mi="0" ci="4"/><line nr="4" mi="2" ci="0"/></sourcefile></package></group></report>`

func TestRead(t *testing.T) {
	for name, tt := range map[string]struct {
		files []string
		want  Report
	}{
		"cobertura": {[]string{cob}, Report{Lines: 5, Covered: 2, Files: []File{{"lib/b.go", 1, 0, "", "4"}, {"src/a.go", 4, 2, "1-2", "3,9"}}}},
		"jacoco":    {[]string{jac}, Report{Lines: 2, Covered: 1, Files: []File{{"org/example/A.java", 2, 1, "3", "4"}}}},
		"together": {[]string{cob, strings.Replace(cob, `number="3" hits="0"`, `number="3" hits="1"`, 1), jac},
			Report{Lines: 7, Covered: 4, Files: []File{{"lib/b.go", 1, 0, "", "4"}, {"org/example/A.java", 2, 1, "3", "4"}, {"src/a.go", 4, 3, "1-3", "9"}}}},
		"nothing in it": {[]string{"<coverage/>"}, Report{Files: []File{}}},
	} {
		r := Reader{Project: "/builds/default/shop"}
		for _, f := range tt.files {
			if err := r.Read(strings.NewReader(f)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := r.Report(); !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%s: %+v", name, *got)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":      "",
		"other":      "<testsuites/>",
		"not XML":    "<coverage><",
		"a long tag": "<coverage a=\"" + strings.Repeat("x", maxTag+10) + "\"/>",
		"deep":       "<coverage>" + strings.Repeat("<a>", maxDepth+1),
	} {
		r := Reader{}
		if err := r.Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, r.Report())
		}
	}
	if Percent(1, 3) != "33.33" || Percent(0, 0) != "" {
		t.Error(Percent(1, 3), Percent(0, 0))
	}
}

// TestBounds: more files and lines than are kept cost no more memory.
func TestBounds(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("<coverage>")
	for i := range maxFiles + 5 {
		fmt.Fprintf(&b, `<class filename="f%d"><line number="1" hits="1"/></class>`, i)
	}
	r := Reader{}
	if err := r.Read(&b); err != nil {
		t.Fatal(err)
	}
	if got := r.Report(); len(got.Files) != maxFiles || !got.Cut {
		t.Errorf("%d files, cut %v", len(got.Files), got.Cut)
	}
}

func TestCompare(t *testing.T) {
	before := &Report{Files: []File{{Path: "same", Lines: 2, Covered: 1}, {Path: "worse", Lines: 10, Covered: 9}, {Path: "better", Lines: 10, Covered: 2}, {Path: "gone", Lines: 3, Covered: 3}}}
	after := &Report{Files: []File{{Path: "better", Lines: 10, Covered: 8}, {Path: "new", Lines: 1}, {Path: "same", Lines: 2, Covered: 1}, {Path: "worse", Lines: 12, Covered: 6}}}
	want := []Change{{"worse", 12, 6, 10, 9}, {"new", 1, 0, 0, 0}, {"gone", 0, 0, 3, 3}, {"better", 10, 8, 10, 2}}
	if got := Compare(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestMerge(t *testing.T) {
	a := &Report{Files: []File{{Path: "x", Lines: 4, Covered: 2, Hit: "1-2", Missed: "3,9"}}}
	b := &Report{Files: []File{{Path: "x", Lines: 2, Covered: 1, Hit: "3", Missed: "2"}, {Path: "y", Lines: 1, Missed: "x,5"}}, Cut: true}
	want := &Report{Lines: 5, Covered: 3, Cut: true, Files: []File{{"x", 4, 3, "1-3", "9"}, {"y", 1, 0, "", "5"}}}
	if got := Merge(a, b); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(cob))
	f.Add([]byte(jac))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := Reader{Project: "/builds/x"}
		if r.Read(bytes.NewReader(data)) != nil {
			return
		}
		got := r.Report()
		if got.Covered > got.Lines {
			t.Errorf("%d of %d", got.Covered, got.Lines)
		}
		for _, f := range got.Files {
			if f.Path == "" || strings.HasPrefix(f.Path, "/") || strings.HasPrefix(f.Path, "../") {
				t.Errorf("path %q", f.Path)
			}
		}
	})
}
