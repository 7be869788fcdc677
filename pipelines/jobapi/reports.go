package jobapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
)

// Limits of reports, unpacked.
const (
	maxReportFile = 16 << 20
	maxReportAll  = 64 << 20
	maxTests      = 50_000
	maxTestText   = 16 << 10
	maxDotenv     = 5 << 10
	maxDotenvVars = 150
)

// Names under which the store keeps what was made of a job's reports.
func TestsName(job string) string  { return job + ".tests.json" }
func DotenvName(job string) string { return job + ".env.json" }

// CoverageName is what was made of the coverage reports.
func CoverageName(job string) string { return job + ".coverage.json" }

// ReportName of the files of one kind, as a zip.
func ReportName(job, kind string) string { return job + ".report-" + kind + ".zip" }

// TestReport is what is kept of all JUnit files of a job.
type TestReport struct {
	Counts v1alpha1.TestCounts `json:"counts"`
	Cases  []TestCase          `json:"cases,omitempty"`
	// Cut: there were more cases than are kept.
	Cut bool `json:"cut,omitempty"`
}

// TestCase is one of them. Status: passed, skipped, failed, error.
type TestCase struct {
	Suite   string  `json:"suite,omitempty"`
	Class   string  `json:"class,omitempty"`
	Name    string  `json:"name"`
	Status  string  `json:"status"`
	Seconds float64 `json:"seconds,omitempty"`
	Message string  `json:"message,omitempty"`
	// Output is what the test printed, cut.
	Output string `json:"output,omitempty"`
}

// Key by which a case is found again in another run.
func (t *TestCase) Key() string { return t.Suite + "\x00" + t.Class + "\x00" + t.Name }

var kindRE = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// errReport is a report that cannot be taken: the job's fault.
var errReport = errors.New("report refused")

// report takes the files of one kind, as a zip, and reads those that it understands.
func (c *call) reportFiles(kind string) error {
	if !kindRE.MatchString(kind) {
		return fmt.Errorf("%w: %q is no kind of report", errReport, kind)
	}
	name := ReportName(c.ref.Job, strings.ReplaceAll(kind, "_", "-"))
	if err := c.Artifacts.Put(c.r.Context(), c.ref.Namespace, c.ref.Run, name, c.r.Body, wire.MaxReport); err != nil {
		return err
	}
	if kind != wire.ReportJUnit && kind != wire.ReportDotenv && kind != wire.ReportCoverage {
		return nil
	}
	rc, err := c.Artifacts.Get(c.r.Context(), c.ref.Namespace, c.ref.Run, name)
	if err != nil {
		return err
	}
	a, err := OpenArchive(rc)
	if err != nil {
		return fmt.Errorf("%w: %w", errReport, err)
	}
	defer a.Close()
	if kind == wire.ReportCoverage {
		return c.coverage(a)
	}
	var files [][]byte
	total := 0
	for _, f := range a.File {
		if !f.Mode().IsRegular() {
			continue
		}
		data, err := readEntry(a, f.Name)
		if err != nil {
			return err
		}
		if total += len(data); total > maxReportAll {
			return fmt.Errorf("%w: more than %d bytes in all", errReport, maxReportAll)
		}
		files = append(files, data)
	}
	if kind == wire.ReportJUnit {
		report, err := readTests(files)
		if err != nil {
			return err
		}
		if err := c.put(TestsName(c.ref.Job), report); err != nil {
			return err
		}
		return c.Jobs.Tested(c.r.Context(), c.ref, report.Counts)
	}
	var vars []plan.Variable
	for _, data := range files {
		more, err := readDotenv(data)
		if err != nil {
			return err
		}
		vars = append(vars, more...)
	}
	if len(vars) > maxDotenvVars {
		return fmt.Errorf("%w: dotenv: %d variables; at most %d", errReport, len(vars), maxDotenvVars)
	}
	return c.put(DotenvName(c.ref.Job), vars)
}

func readEntry(a *Archive, name string) ([]byte, error) {
	rc, err := a.One(name)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	data, err := io.ReadAll(io.LimitReader(rc, maxReportFile+1))
	if err == nil && len(data) > maxReportFile {
		err = fmt.Errorf("%w: %s has more than %d bytes", errReport, name, maxReportFile)
	}
	return data, err
}

func (c *call) put(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Artifacts.Put(c.r.Context(), c.ref.Namespace, c.ref.Run, name, bytes.NewReader(data), maxReportAll)
}

// readDotenv reads NAME=value lines: no quotes, no references, no comments within.
func readDotenv(data []byte) ([]plan.Variable, error) {
	if len(data) > maxDotenv {
		return nil, fmt.Errorf("%w: dotenv: more than %d bytes", errReport, maxDotenv)
	}
	if !isText(data) {
		return nil, fmt.Errorf("%w: dotenv: not UTF-8 text", errReport)
	}
	var vars []plan.Variable
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || !plan.ValidName(name) {
			return nil, fmt.Errorf("%w: dotenv: line %d is not NAME=value with letters, digits and '_' in the name", errReport, n)
		}
		vars = append(vars, plan.Variable{Name: name, Value: strings.TrimSpace(value), Raw: true})
	}
	return vars, nil
}

func isText(data []byte) bool {
	return strings.ToValidUTF8(string(data), "") == string(data) && !bytes.ContainsRune(data, 0)
}

// refuseReport answers 422 where the job is at fault.
func (c *call) refuseReport(err error) {
	if errors.Is(err, errReport) {
		fail(c.w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	if errors.Is(err, os.ErrNotExist) {
		err = errors.New("the report is gone")
	}
	c.refuse(c.w, c.ref, err)
}
