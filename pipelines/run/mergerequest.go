package run

import (
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/jobcache"
	"slipway.dev/pipelines/plan"
)

// untrusted says whether the run is of people who may not push to the repository: it has
// no secrets, deploys nothing, and starts when somebody has approved it.
func untrusted(run *v1alpha1.Run) bool {
	return run.Spec.MergeRequest != nil && run.Spec.MergeRequest.Fork
}

// ofRequest makes, but does not store, the run of a merge request's head.
func ofRequest(repo *v1alpha1.Repository, m *v1alpha1.MergeRequest) *v1alpha1.Run {
	run := newRun(repo, v1alpha1.MergeRequestRef(m.Number), v1alpha1.RefStatus{Commit: m.Commit, Sequence: m.Sequence})
	run.Name = Name(repo.Name, m.Sequence)
	run.Spec.Cause, run.Spec.Before, run.Spec.Target = causeMergeRequest, m.Before, "refs/heads/"+m.Target
	run.Spec.MergeRequest = &v1alpha1.RunMergeRequest{
		Number: m.Number, Title: m.Title, Author: m.Author, Source: m.Source, Fork: m.Fork, SourceProject: m.SourceProject, Draft: m.Draft, URL: m.URL,
	}
	return run
}

// starts says whether the newest head of a merge request has a run.
func starts(repo *v1alpha1.Repository, m *v1alpha1.MergeRequest) bool {
	return m.Open() && m.Commit != "" && m.Sequence > 0 && repo.Spec.MergeRequestPolicy.Runs(m)
}

// outlived says why the run of a merge request is not needed any more, and since when;
// nothing where it is. One that was made again by hand is wanted whatever became of it.
func outlived(run *v1alpha1.Run, repo *v1alpha1.Repository) (why string, since *v1alpha1.MergeRequest) {
	of := run.Spec.MergeRequest
	if of == nil || run.Spec.RerunOf != nil {
		return "", nil
	}
	m := repo.Status.MergeRequest(of.Number)
	switch {
	case m == nil: // whatever was to be done when it ended has been done
		return "", nil
	case !m.Open():
		return fmt.Sprintf("%s%d is %s", requestPrefix, m.Number, m.State), m
	case m.Sequence > run.Spec.Sequence && starts(repo, m):
		return supersededPrefix + Name(repo.Name, m.Sequence), m
	}
	return "", nil
}

// askedSince says whether somebody wanted something of the run, other than its end,
// after the merge request became what it is.
func askedSince(run *v1alpha1.Run, m *v1alpha1.MergeRequest) bool {
	for i := range run.Spec.Actions {
		if a := &run.Spec.Actions[i]; a.Verb != verbCancel && m.Seen != nil && a.At.Time.After(m.Seen.Time) {
			return true
		}
	}
	return false
}

// stops says whether a job of the run waits to stop what another one of it deployed: it
// is asked to when the merge request ends, and must be there then.
func stops(run *v1alpha1.Run, p *plan.Plan) bool {
	deployed := map[string]bool{}
	for i := range p.Jobs {
		j := &p.Jobs[i]
		if js := jobStatus(run, j.Name); j.Environment != nil && js != nil && js.Phase == v1alpha1.Succeeded && j.Environment.Action != "stop" {
			deployed[js.Environment] = true
		}
	}
	for i := range p.Jobs {
		j := &p.Jobs[i]
		if js := jobStatus(run, j.Name); j.Environment != nil && js != nil && !js.Phase.Finished() && j.Environment.Action == "stop" && deployed[js.Environment] {
			return true
		}
	}
	return false
}

// admit says whether a run may be read and started. The status says why it may not. The
// child of one that was approved is.
func (c *Controller) admit(run *v1alpha1.Run, repo *v1alpha1.Repository, of *Origin) bool {
	if why, m := outlived(run, repo); why != "" && !askedSince(run, m) {
		c.waiting.drop(key(run))
		finish(run, v1alpha1.Canceled, why)
		return false
	}
	if !untrusted(run) || of != nil && len(of.Files) > 0 {
		return true
	}
	if run.Status.Approval == nil {
		run.Status.Approval = &v1alpha1.RunApproval{Reason: approvalReason(run.Spec.MergeRequest)}
	}
	approval := run.Status.Approval
	for i := range run.Spec.Actions {
		if a := &run.Spec.Actions[i]; a.Verb == verbApprove && a.Job == "" && approval.By == "" {
			approval.By, approval.At = a.By, &a.At
			if approval.By == "" {
				approval.By = somebody
			}
		}
	}
	if approval.By == "" {
		run.Status.Phase, run.Status.Message = v1alpha1.Pending, "waits until somebody approves it: "+approval.Reason
		c.waiting.put(key(run), types.NamespacedName{Namespace: repo.Namespace, Name: repo.Name})
		return false
	}
	c.waiting.drop(key(run))
	run.Status.Message = ""
	return true
}

func approvalReason(m *v1alpha1.RunMergeRequest) string {
	from := m.SourceProject
	if from == "" {
		from = "a fork that is gone"
	}
	return fmt.Sprintf("merge request %d comes from %s, whose people may not push here; look at what it changes first", m.Number, from)
}

// checkApproval of a run as a whole.
func checkApproval(run *v1alpha1.Run) error {
	a := run.Status.Approval
	switch {
	case !untrusted(run):
		return apierrors.NewBadRequest("run " + run.Name + " asks for no approval")
	case a != nil && a.By != "":
		return apierrors.NewBadRequest(fmt.Sprintf("run %s was approved already, by %s", run.Name, a.By))
	case run.Status.Phase.Finished() || run.Spec.Cancel:
		return apierrors.NewBadRequest(fmt.Sprintf("run %s does not wait; it is %s", run.Name, run.Status.Phase))
	}
	return nil
}

// describe a merge request to the front end.
func describe(in *gitlab.Context, run *v1alpha1.Run) {
	m := run.Spec.MergeRequest
	if m == nil {
		return
	}
	in.Branch, in.Tag = m.Source, ""
	in.MergeRequest = m.Number
	in.Request = gitlab.Request{Title: m.Title, Project: m.SourceProject, Fork: m.Fork, Draft: m.Draft}
}

// restrict what the plan of an untrusted run may do beyond running its own scripts.
func restrict(p *plan.Plan) (problems []v1alpha1.Problem) {
	for i := range p.Jobs {
		j := &p.Jobs[i]
		j.Environment, j.Secrets, j.IDTokens, j.External, j.Deploy = nil, nil, nil, nil, nil
		if j.Trigger != nil && j.Trigger.Repository != "" {
			problems = append(problems, v1alpha1.Problem{
				File: p.Source, Rule: "fork", Message: fmt.Sprintf("job %q starts a run of another repository, which the merge request of a fork may not", j.Name),
				Hint: "leave it out with rules: if $CI_MERGE_REQUEST_SOURCE_PROJECT_PATH == $CI_PROJECT_PATH",
			})
		}
	}
	return problems
}

// cacheScope keeps what an untrusted run stores from all others.
func cacheScope(run *v1alpha1.Run, protected bool) jobcache.Scope {
	s := jobcache.Scope{Namespace: run.Namespace, Repository: run.Spec.Repository, Protected: protected}
	if untrusted(run) {
		s.MergeRequest = run.Spec.MergeRequest.Number
	}
	return s
}

// waiting are the runs that wait for an approval: they have no jobs yet by which they
// would be known.
type waiting struct {
	mu   sync.Mutex
	runs map[types.NamespacedName]types.NamespacedName // run -> repository
}

func (w *waiting) put(run, repo types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.runs == nil {
		w.runs = map[types.NamespacedName]types.NamespacedName{}
	}
	w.runs[run] = repo
}

func (w *waiting) drop(run types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.runs, run)
}

// of a repository.
func (w *waiting) of(repo types.NamespacedName) (out []types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for run, r := range w.runs {
		if r == repo {
			out = append(out, run)
		}
	}
	return out
}
