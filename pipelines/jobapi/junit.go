package jobapi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"slipway.dev/cluster/text"
)

// What a JUnit file may have. A library that makes a tree of the file holds the text of
// each element once for every element around it, so this reads token by token.
const (
	maxXMLDepth = 50
	maxXMLTag   = 256 << 10
)

// junitReader is where in one file the reading is.
type junitReader struct {
	report *TestReport
	took   time.Duration
	path   []string // names of the open elements
	suites []string // names of the open suites
	test   *TestCase
	// text collects what the innermost element of interest says; nil: nothing does.
	text *strings.Builder
}

// readTests of all JUnit files together.
func readTests(files [][]byte) (*TestReport, error) {
	r := &junitReader{report: &TestReport{}}
	for i, data := range files {
		if err := r.file(data); err != nil {
			return nil, fmt.Errorf("%w: junit: file %d: %w", errReport, i+1, err)
		}
	}
	r.report.Counts.Seconds = fmt.Sprintf("%.3f", r.took.Seconds())
	return r.report, nil
}

func (r *junitReader) file(data []byte) error {
	if err := checkTags(data); err != nil {
		return err
	}
	r.path, r.suites, r.test, r.text = nil, nil, nil, nil
	d := xml.NewDecoder(bytes.NewReader(data))
	// Files say that they are in all kinds of character sets; names are ASCII in most.
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	d.Strict = false
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			if len(r.path) > 0 {
				return fmt.Errorf("element %s is not closed", r.path[len(r.path)-1])
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(r.path) == maxXMLDepth {
				line, column := d.InputPos()
				return fmt.Errorf("line %d, column %d: elements nested more than %d deep", line, column, maxXMLDepth)
			}
			r.path = append(r.path, t.Name.Local)
			r.start(&t)
		case xml.EndElement:
			if len(r.path) == 0 || r.path[len(r.path)-1] != t.Name.Local {
				line, column := d.InputPos()
				return fmt.Errorf("line %d, column %d: </%s> closes nothing", line, column, clip(t.Name.Local))
			}
			r.path = r.path[:len(r.path)-1]
			r.end(t.Name.Local)
		case xml.CharData:
			if r.text != nil && r.text.Len() <= maxTestText {
				r.text.Write(t[:min(len(t), maxTestText+1)])
			}
		}
	}
}

// checkTags refuses a tag so long that the list of its attributes would be no use.
func checkTags(data []byte) error {
	for at := 0; ; {
		open := bytes.IndexByte(data[at:], '<')
		if open < 0 {
			return nil
		}
		at += open
		if text, end := unmarked(data[at:]); text {
			if end < 0 {
				return nil // the decoder says that it is not closed
			}
			at += end
			continue
		}
		end := bytes.IndexByte(data[at:min(len(data), at+maxXMLTag)], '>')
		if end < 0 && len(data)-at >= maxXMLTag {
			return fmt.Errorf("line %d: a tag of more than %d bytes", bytes.Count(data[:at], []byte("\n"))+1, maxXMLTag)
		}
		at += max(end, 1)
	}
}

// unmarked says whether data begins with a section of text or a comment, in which nothing is
// a tag, and how long that is; -1 where it does not end.
func unmarked(data []byte) (yes bool, length int) {
	for begin, end := range map[string]string{"<![CDATA[": "]]>", "<!--": "-->"} {
		if bytes.HasPrefix(data, []byte(begin)) {
			return true, bytes.Index(data, []byte(end))
		}
	}
	return false, 0
}

func (r *junitReader) start(e *xml.StartElement) {
	attribute := func(name string) string {
		for _, a := range e.Attr {
			if a.Name.Local == name {
				return a.Value
			}
		}
		return ""
	}
	switch e.Name.Local {
	case "testsuite":
		r.suites = append(r.suites, clip(attribute("name")))
	case "testcase":
		r.test = &TestCase{Class: clip(attribute("classname")), Name: clip(attribute("name")), Status: "passed"}
		if n := len(r.suites); n > 0 {
			r.test.Suite = r.suites[n-1]
		}
		if took, err := strconv.ParseFloat(strings.ReplaceAll(attribute("time"), ",", ""), 64); err == nil && took >= 0 && took < 1e9 {
			r.test.Seconds = took
		}
	case "skipped", "failure", "error":
		if r.test == nil {
			return
		}
		if r.test.Status == "passed" || e.Name.Local != "skipped" {
			r.test.Status = map[string]string{"skipped": "skipped", "failure": "failed", "error": "error"}[e.Name.Local]
		}
		r.say(attribute("message"))
		r.text = &strings.Builder{}
	case "system-out", "system-err":
		if r.test != nil {
			r.text = &strings.Builder{}
		}
	}
}

// say more of why the test is not passed.
func (r *junitReader) say(text string) {
	if text = strings.TrimSpace(text); text != "" && !strings.Contains(r.test.Message, text) {
		r.test.Message = clip(strings.TrimSpace(r.test.Message + "\n" + text))
	}
}

func (r *junitReader) end(name string) {
	switch name {
	case "testsuite":
		if n := len(r.suites); n > 0 {
			r.suites = r.suites[:n-1]
		}
	case "testcase":
		if r.test != nil {
			r.add(r.test)
		}
		r.test, r.text = nil, nil
	case "skipped", "failure", "error":
		if r.test != nil && r.text != nil {
			r.say(clip(r.text.String()))
		}
		r.text = nil
	case "system-out", "system-err":
		if r.test != nil && r.text != nil {
			r.test.Output = clip(r.test.Output + r.text.String())
		}
		r.text = nil
	}
}

func (r *junitReader) add(t *TestCase) {
	counts := &r.report.Counts
	counts.Total++
	r.took += time.Duration(t.Seconds * float64(time.Second))
	switch t.Status {
	case "skipped":
		counts.Skipped++
	case "failed":
		counts.Failed++
	case "error":
		counts.Errors++
	default:
		t.Message, t.Output = "", "" // nobody reads them, and there are many
	}
	if len(r.report.Cases) == maxTests {
		r.report.Cut = true
		return
	}
	r.report.Cases = append(r.report.Cases, *t)
}

func clip(s string) string { return text.Clip(s, maxTestText) }
