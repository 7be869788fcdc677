package run

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/protection"
	"slipway.dev/pipelines/variables"
)

var _ jobapi.Jobs = (*Controller)(nil)

// find the running attempt that ref names.
func (c *Controller) find(ctx context.Context, ref jobapi.Ref) (*v1alpha1.Run, *plan.Plan, *plan.Job, *v1alpha1.JobStatus, error) {
	run := &v1alpha1.Run{}
	err := c.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Run}, run)
	if apierrors.IsNotFound(err) {
		return nil, nil, nil, nil, jobapi.ErrGone
	}
	if err != nil {
		return nil, nil, nil, nil, err
	}
	p, err := c.loadPlan(ctx, ref.Namespace, ref.Run)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if p == nil {
		return nil, nil, nil, nil, jobapi.ErrGone
	}
	for i := range p.Jobs {
		job := &p.Jobs[i]
		if job.ID != ref.Job {
			continue
		}
		js := jobStatus(run, job.Name)
		if js == nil || js.Attempt != ref.Attempt || js.Phase != v1alpha1.Running {
			return nil, nil, nil, nil, jobapi.ErrGone
		}
		return run, p, job, js, nil
	}
	return nil, nil, nil, nil, jobapi.ErrGone
}

// Job implements jobapi.Jobs.
func (c *Controller) Job(ctx context.Context, ref jobapi.Ref) (*jobapi.Job, error) {
	return c.attemptJob(ctx, ref, false)
}

// Begin implements jobapi.Jobs.
func (c *Controller) Begin(ctx context.Context, ref jobapi.Ref) (*jobapi.Job, error) {
	return c.attemptJob(ctx, ref, true)
}

// attemptJob is the job of an attempt. What another server keeps for it is there where it
// begins only.
func (c *Controller) attemptJob(ctx context.Context, ref jobapi.Ref, begins bool) (*jobapi.Job, error) {
	run, p, job, js, err := c.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	return c.jobOf(ctx, ref, run, p, job, js, begins)
}

func (c *Controller) jobOf(ctx context.Context, ref jobapi.Ref, run *v1alpha1.Run, p *plan.Plan, job *plan.Job, js *v1alpha1.JobStatus, begins bool) (*jobapi.Job, error) {
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}, repo); err != nil {
		return nil, err
	}
	secrets, err := c.secrets(ctx, run, repo, p, job)
	if err != nil {
		return nil, err
	}
	if job, err = c.filled(ctx, run, p, job, js); err != nil {
		return nil, err
	}
	dir := directory(run, job)
	attempt := c.attemptVariables(run, job, ref.Attempt, dir)
	token := c.jobToken(ref, job)
	attempt = append(attempt, c.tokenVariables(run, token)...)
	told, err := c.told(ctx, run, p, job)
	if err != nil {
		return nil, err
	}
	with := played(run, p, js)
	files := path.Join(buildsDir, dir) + wire.FilesSuffix
	env := plan.EnvironAt(files, with, job, attempt, told, secrets.Vars)
	value := func(s string) string {
		return plan.Expand(s, func(name string) (string, bool) {
			i := slices.IndexFunc(env, func(v plan.Variable) bool { return v.Name == name })
			switch {
			case i < 0:
				return "", true
			case env[i].File:
				return path.Join(files, name), true
			}
			return env[i].Value, true
		})
	}
	tokens, err := c.idTokens(ctx, run, repo, p, job, ref, value)
	if err != nil {
		return nil, err
	}
	if len(tokens) > 0 {
		env = plan.EnvironAt(files, with, job, attempt, told, append(slices.Clone(secrets.Vars), tokens...))
	}
	var external []plan.Variable
	if begins && len(job.External) > 0 {
		if external, err = c.external(ctx, job, value); err != nil {
			return nil, &jobapi.RefusedError{Reason: "secrets: " + err.Error()}
		}
		env = plan.EnvironAt(files, with, job, attempt, told, slices.Concat(secrets.Vars, tokens, external))
	}
	j := &jobapi.Job{
		Repository: run.Spec.Repository, Commit: run.Spec.Commit, Ref: run.Spec.Ref, Sequence: run.Spec.Sequence,
		By: run.Spec.By, Build: job.Build, Deploy: job.Deploy, Default: isDefault(repo, run.Spec.Ref),
		Checkout: job.Checkout,
		Image:    job.Image,
		Wire: wire.Job{
			Services: len(job.Services) > 0, Entrypoint: job.Image.Entrypoint,
			Name: job.Name, Attempt: ref.Attempt, Directory: dir,
			TimeoutSeconds: int64(c.timeout(job) / time.Second), Coverage: job.Coverage, MaxLog: c.Settings.MaxLog,
			Checkout: wire.Checkout{
				Strategy: job.Checkout.Strategy, Skip: job.Checkout.Skip, Submodules: job.Checkout.Submodules,
				Attempts: job.Checkout.Attempts, URL: c.repositoryURL(run), Server: c.jobServer(), User: RegistryUser, Commit: run.Spec.Commit, Ref: shortRef(run.Spec.Ref),
			},
		},
	}
	setScript(&j.Wire, &job.Script)
	for _, v := range env {
		j.Wire.Env = append(j.Wire.Env, wireVariable(v))
	}
	for _, m := range append(secrets.Mask(env), token) {
		j.Wire.Mask = append(j.Wire.Mask, []byte(m))
	}
	for _, t := range tokens {
		j.Wire.Mask = append(j.Wire.Mask, []byte(t.Value))
	}
	for _, v := range external {
		for _, m := range variables.Texts(v.Value) {
			j.Wire.Mask = append(j.Wire.Mask, []byte(m))
		}
	}
	for _, n := range job.Needs {
		if need := p.Job(n.Job); need != nil && n.Artifacts {
			j.Wire.Needs = append(j.Wire.Needs, need.ID)
		}
	}
	j.Wire.Artifacts = wireArtifacts(job.Artifacts, value)
	if len(job.Caches) > 0 {
		protected, err := protection.Of(ctx, repo, run, c.Reachable)
		if err != nil {
			return nil, err
		}
		setCaches(j, job.Caches, cacheScope(run, protected), value)
	}
	if serverDoes(job) {
		j.Wire.Verb = "deploy"
		if job.Build != nil {
			j.Wire.Verb = "build"
		}
	}
	for i := range run.Status.Jobs {
		j.Images = append(j.Images, run.Status.Jobs[i].Images...)
	}
	return j, nil
}

func shortRef(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
}

func isDefault(repo *v1alpha1.Repository, ref string) bool {
	branch := repo.Spec.DefaultBranch
	if branch == "" {
		branch = repo.Status.DefaultBranch
	}
	return branch != "" && ref == "refs/heads/"+branch
}

// secrets of the job as variables, by its environment and its ref.
func (c *Controller) secrets(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository, p *plan.Plan, job *plan.Job) (variables.Values, error) {
	if untrusted(run) {
		return variables.Values{}, nil
	}
	of, err := reach(ctx, repo, run, c.Reachable)
	if err != nil {
		return variables.Values{}, err
	}
	return c.Variables.Values(ctx, variables.Job{Namespace: run.Namespace, Run: of, Environment: p.EnvironmentName(job), Refs: job.Secrets})
}

// reach of the variables that the run may have, as things are now.
func reach(ctx context.Context, repo *v1alpha1.Repository, run *v1alpha1.Run, reachable protection.Reachable) (variables.Run, error) {
	out := variables.Run{Repository: repo.Name}
	on, err := protection.On(ctx, repo, run, reachable)
	if err == nil && on {
		out.Ref, out.Protected = shortRef(run.Spec.Ref), protection.Ref(repo, run.Spec.Ref)
	}
	return out, err
}

// change the status of a running attempt's job, in one update.
func (c *Controller) change(ctx context.Context, ref jobapi.Ref, f func(js *v1alpha1.JobStatus)) error {
	return retry.OnError(retry.DefaultBackoff, apierrors.IsConflict, func() error {
		run, _, _, js, err := c.find(ctx, ref)
		if err != nil {
			return err
		}
		before := run.DeepCopy()
		f(js)
		summarize(run)
		if equalStatus(&before.Status, &run.Status) {
			return nil
		}
		// Merged with a lock on the version: the cache may be behind.
		return c.Status().Patch(ctx, run, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	})
}

// Known implements jobapi.Jobs.
func (c *Controller) Known(ctx context.Context, namespace, repository string) (bool, error) {
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: repository}, &v1alpha1.Repository{})
	return err == nil, client.IgnoreNotFound(err)
}

// Pushed implements jobapi.Jobs.
func (c *Controller) Pushed(ctx context.Context, ref jobapi.Ref, image v1alpha1.Image) error {
	return c.change(ctx, ref, func(js *v1alpha1.JobStatus) {
		i := slices.IndexFunc(js.Images, func(o v1alpha1.Image) bool { return o.Name == image.Name })
		if i >= 0 {
			js.Images[i] = image
			return
		}
		js.Images = append(js.Images, image)
	})
}

// Tested implements jobapi.Jobs.
func (c *Controller) Tested(ctx context.Context, ref jobapi.Ref, counts v1alpha1.TestCounts) error {
	return c.change(ctx, ref, func(js *v1alpha1.JobStatus) { js.Tests = &counts })
}

// Reported implements jobapi.Jobs. An attempt that has ended meanwhile is no fault.
func (c *Controller) Reported(ctx context.Context, ref jobapi.Ref, report wire.Report) error {
	if report.Message == "" && report.Reason == "" && report.Coverage == "" {
		return nil
	}
	message := report.Message
	if len(message) > 1024 {
		message = message[:1024]
	}
	err := c.change(ctx, ref, func(js *v1alpha1.JobStatus) {
		if message != "" && js.StoppingAt == nil { // why it is stopped is known better here
			js.Message = reportedPrefix + oneLine(strings.ToValidUTF8(message, ""))
		}
		switch report.Reason {
		case "script", "timeout", "system":
			js.Reason = report.Reason
		}
		if coverageRE.MatchString(report.Coverage) {
			js.Coverage = report.Coverage
		}
	})
	if errors.Is(err, jobapi.ErrGone) {
		return nil
	}
	return err
}
