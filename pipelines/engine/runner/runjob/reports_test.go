package runjob

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	covered "slipway.dev/pipelines/coverage"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
)

// TestCoverageReport is read by the server; one that is none is warned of.
func TestCoverageReport(t *testing.T) {
	const report = `<coverage><class filename="'$CI_PROJECT_DIR'/a.go"><line number="1" hits="1"/><line number="2" hits="0"/></class></coverage>`
	for text, want := range map[string]covered.Report{
		report:    {Lines: 2, Covered: 1, Files: []covered.File{{Path: "a.go", Lines: 2, Covered: 1, Hit: "1", Missed: "2"}}},
		"<html/>": {},
	} {
		w := newWorld(t, wire.Job{Main: []string{"echo '" + text + "' > c.xml"}, Artifacts: &wire.Artifacts{Reports: map[string][]string{wire.ReportCoverage: {"c.xml"}}}})
		w.job.Wire.Env = []wire.Variable{{Name: "CI_PROJECT_DIR", Value: w.place.Builds + "/default/shop"}}
		var out bytes.Buffer
		if code := Run(t.Context(), w.client, w.place, &out); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, out.String())
		}
		rc, err := w.store.Get(t.Context(), "default", "shop-1", jobapi.CoverageName("test"))
		if want.Files == nil {
			if err == nil || !strings.Contains(out.String(), "neither <coverage>") {
				t.Errorf("%s: %v\n%s", text, err, out.String())
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		var got covered.Report
		err = json.NewDecoder(rc).Decode(&got)
		rc.Close()
		if err != nil || got.Lines != want.Lines || len(got.Files) != 1 || got.Files[0] != want.Files[0] {
			t.Errorf("%+v %v", got, err)
		}
	}
}
