package jobapi

import (
	"fmt"

	"slipway.dev/pipelines/coverage"
)

// coverage reads the files of an archive into one report, one after the other and none
// of them whole.
func (c *call) coverage(a *Archive) error {
	r := coverage.Reader{Project: c.projectDir()}
	for _, f := range a.File {
		if !f.Mode().IsRegular() {
			continue
		}
		rc, err := a.One(f.Name)
		if err != nil {
			return err
		}
		err = r.Read(rc)
		rc.Close()
		if err != nil {
			return fmt.Errorf("%w: coverage: %s: %w", errReport, f.Name, err)
		}
	}
	return c.put(CoverageName(c.ref.Job), r.Report())
}

// projectDir is where the job has its project.
func (c *call) projectDir() string {
	for i := range c.job.Wire.Env {
		if v := &c.job.Wire.Env[i]; v.Name == "CI_PROJECT_DIR" {
			return v.Text()
		}
	}
	return ""
}
