package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"
	"unicode/utf8"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/jobcache"
	"slipway.dev/pipelines/plan"
)

// coverageRE is a figure in per cent.
var coverageRE = regexp.MustCompile(`^\d{1,6}(\.\d{1,6})?$`)

func setScript(w *wire.Job, s *plan.Script) {
	w.Shell, w.Pre, w.Before, w.Main, w.After = s.Shell, s.Pre, s.Before, s.Main, s.After
	w.Trace, w.Sections, w.AfterCounts = s.Trace, s.Sections, s.AfterCounts
	w.MainTimeoutSeconds = int64(s.MainTimeout.Duration / time.Second)
	w.AfterTimeoutSeconds = int64(s.AfterTimeout.Duration / time.Second)
}

func wireVariable(v plan.Variable) wire.Variable {
	out := wire.Variable{Name: v.Name, Value: v.Value, File: v.File}
	if !utf8.ValidString(v.Value) {
		out.Value, out.Bytes = "", []byte(v.Value)
	}
	return out
}

func wireArtifacts(a *plan.Artifacts, value func(string) string) *wire.Artifacts {
	if a == nil {
		return nil
	}
	each := func(list []string) (out []string) {
		for _, s := range list {
			out = append(out, value(s))
		}
		return out
	}
	out := &wire.Artifacts{When: string(a.When), Paths: each(a.Paths), Exclude: each(a.Exclude), Untracked: a.Untracked, Reports: map[string][]string{}}
	for kind, list := range a.Reports.Other {
		out.Reports[kind] = each(list)
	}
	for kind, list := range map[string][]string{wire.ReportJUnit: a.Reports.JUnit, wire.ReportDotenv: a.Reports.Dotenv} {
		if len(list) > 0 {
			out.Reports[kind] = each(list)
		}
	}
	if a.Reports.Coverage != "" {
		out.Reports[wire.ReportCoverage] = []string{value(a.Reports.Coverage)}
	}
	return out
}

// setCaches says to the runner what to fetch and keep, and to the server under which keys.
func setCaches(j *jobapi.Job, caches []plan.Cache, scope jobcache.Scope, value func(string) string) {
	for _, c := range caches {
		one := jobapi.CacheKeys{Scope: scope, Keys: []string{value(c.Key)}, Pull: c.Pull, Push: c.Push}
		if c.Shared {
			one.Scope.Protected = false
		}
		w := wire.Cache{Untracked: c.Untracked, Pull: c.Pull, Push: c.Push, When: string(c.When)}
		if len(c.KeyFiles) > 0 {
			one.Hashed, one.Keys[0] = true, ""
			if c.KeyPrefix != "" {
				one.Keys[0] = value(c.KeyPrefix) + "-"
			}
		}
		for _, k := range c.Fallback {
			one.Keys = append(one.Keys, value(k))
		}
		w.Key = one.Keys[0]
		for _, s := range c.KeyFiles {
			w.KeyFiles = append(w.KeyFiles, value(s))
		}
		for _, s := range c.Paths {
			w.Paths = append(w.Paths, value(s))
		}
		j.Caches, j.Wire.Caches = append(j.Caches, one), append(j.Wire.Caches, w)
	}
}

// maxTold bounds what is read of the variables that one job reported.
const maxTold = 1 << 20

// told are the variables that the jobs whose artifacts this one takes have reported;
// a later one overrides an earlier one.
func (c *Controller) told(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, job *plan.Job) ([]plan.Variable, error) {
	var all []plan.Variable
	for _, n := range job.Needs {
		if need := p.Job(n.Job); need != nil && n.Artifacts {
			vars, err := c.toldBy(ctx, run, need)
			if err != nil {
				return nil, err
			}
			all = append(all, vars...)
		}
	}
	return all, nil
}

// toldBy one job: the variables of its dotenv report.
func (c *Controller) toldBy(ctx context.Context, run *v1alpha1.Run, job *plan.Job) ([]plan.Variable, error) {
	if job.Artifacts == nil || len(job.Artifacts.Reports.Dotenv) == 0 {
		return nil, nil
	}
	rc, err := c.Artifacts.Get(ctx, run.Namespace, run.Name, jobapi.DotenvName(job.ID))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("variables of job %s: %w", job.Name, err)
	}
	defer rc.Close()
	var vars []plan.Variable
	if err := json.NewDecoder(io.LimitReader(rc, maxTold)).Decode(&vars); err != nil {
		return nil, fmt.Errorf("variables of job %s: %w", job.Name, err)
	}
	return vars, nil
}
