package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/protection"
	"slipway.dev/pipelines/variables"
)

// Compiled is what a Compiler makes of a commit.
type Compiled struct {
	// Plan is nil where there are Problems.
	Plan     *plan.Plan
	Problems []v1alpha1.Problem
}

// Compiler finds and compiles the pipeline of the run's commit. An error means that
// it could not look (and will be asked again); a bad file is Problems.
type Compiler interface {
	Compile(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository) (Compiled, error)
}

// Logs keeps what attempts print; *joblog.Collector is one.
type Logs interface {
	Follow(a joblog.Attempt, pod, container string)
	Following(a joblog.Attempt) bool
}

// Settings of job pods.
type Settings struct {
	// ServerURL is where pods reach the front door, as "https://10.0.0.5:8443".
	ServerURL string
	// ExternalURL is the front door as people know it.
	ExternalURL string
	// CA of ServerURL in PEM.
	CA []byte
	// RunnerImage runs build and deploy jobs that name no image.
	RunnerImage string
	// DefaultImage runs script jobs that name no image.
	DefaultImage string
	// MaxLog is how many bytes of a log are kept. Default 64 MiB.
	MaxLog int64
	// ArtifactsExpire is when artifacts that say nothing are deleted. Default 30 days.
	ArtifactsExpire time.Duration
	// Timeout of jobs that set none. Default 1h.
	Timeout time.Duration
}

// Controller reconciles Runs.
type Controller struct {
	client.Client
	Compiler  Compiler
	Artifacts jobapi.Artifacts
	LogStore  *joblog.Store
	Logs      Logs
	// ServiceLogs opens the last lines of a container's log. Nil: they are not shown.
	ServiceLogs func(ctx context.Context, namespace, pod, container string) (io.ReadCloser, error)
	Tokens      *jobapi.Tokens
	// Variables of repositories and namespaces; Reachable tells which runs get protected ones.
	Variables *variables.Store
	Reachable protection.Reachable
	Settings  Settings
	Log       *slog.Logger
	Metrics   *Metrics
	// Events on Runs and Repositories: mgr.GetEventRecorder("slipway"). Nil sends none.
	Events events.EventRecorder

	sealed chan event.GenericEvent
}

// planName is the plan's name among the artifacts of a run.
const planName = "plan.json"

// maxPlan bounds a stored plan.
const maxPlan = 32 << 20

// SetupWithManager registers the controller.
func (c *Controller) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("run").
		For(&v1alpha1.Run{}).
		Owns(&tekton.TaskRun{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		WatchesRawSource(source.Channel(c.sealedEvents(), &handler.EnqueueRequestForObject{})).
		Complete(c)
}

func (c *Controller) sealedEvents() chan event.GenericEvent {
	if c.sealed == nil {
		c.sealed = make(chan event.GenericEvent, 1024)
	}
	return c.sealed
}

// LogSealed tells the controller that an attempt's log is complete; it is the
// Collector's Sealed. SetupWithManager comes first.
func (c *Controller) LogSealed(a joblog.Attempt) {
	run := &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: a.Run}}
	select {
	case c.sealed <- event.GenericEvent{Object: run}:
	default: // the next look at the run sees it
	}
}

// finalizer keeps the Run until what is outside etcd is gone too.
const finalizer = "slipway.dev/run"

// Reconcile brings one run as far as it can go now.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	run := &v1alpha1.Run{}
	if err := c.Get(ctx, req.NamespacedName, run); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !run.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, c.forget(ctx, run)
	}
	if controllerutil.AddFinalizer(run, finalizer) {
		if err := c.Update(ctx, run); err != nil {
			return conflict(err)
		}
	}
	before := run.DeepCopy()
	p, err := c.plan(ctx, run)
	if err != nil {
		return ctrl.Result{}, err
	}
	if p == nil {
		return conflict(c.save(ctx, before, run))
	}
	result, err := c.advance(ctx, run, before, p)
	if err != nil {
		return conflict(err)
	}
	return result, nil
}

// conflict is no fault: the newer object is on its way and will be looked at.
func conflict(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: 20 * time.Millisecond}, nil
	}
	return ctrl.Result{}, err
}

func (c *Controller) forget(ctx context.Context, run *v1alpha1.Run) error {
	if err := c.Artifacts.DeleteRun(ctx, run.Namespace, run.Name); err != nil {
		return fmt.Errorf("run %s: delete artifacts: %w", run.Name, err)
	}
	if err := c.LogStore.Delete(run.Namespace, run.Name); err != nil {
		return fmt.Errorf("run %s: delete logs: %w", run.Name, err)
	}
	if controllerutil.RemoveFinalizer(run, finalizer) {
		return client.IgnoreNotFound(c.Update(ctx, run))
	}
	return nil
}

// save writes the status if it changed.
func (c *Controller) save(ctx context.Context, before, run *v1alpha1.Run) error {
	if equalStatus(&before.Status, &run.Status) {
		return nil
	}
	if err := c.Status().Update(ctx, run); err != nil {
		return err
	}
	c.Metrics.changed(before, run)
	c.announce(before, run)
	if run.Status.Phase != before.Status.Phase {
		c.Log.Info("run", "namespace", run.Namespace, "run", run.Name, "phase", run.Status.Phase, "message", run.Status.Message)
	}
	return nil
}

// advance looks at what runs, decides, writes the decision down, then carries it out.
func (c *Controller) advance(ctx context.Context, run, before *v1alpha1.Run, p *plan.Plan) (ctrl.Result, error) {
	taskRuns := map[string]*tekton.TaskRun{}
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		if js.TaskRun == "" {
			continue
		}
		tr := &tekton.TaskRun{}
		err := c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: js.TaskRun}, tr)
		switch {
		case err == nil:
			taskRuns[js.Name] = tr
		case !apierrors.IsNotFound(err):
			return ctrl.Result{}, err
		}
		if js.Phase == v1alpha1.Running {
			observe(run, js, p.Job(js.Name), taskRuns[js.Name])
		}
	}
	decide(run, p)
	if err := c.save(ctx, before, run); err != nil {
		return ctrl.Result{}, err
	}
	waiting := false
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		tr := taskRuns[js.Name]
		if tr != nil && tr.Name != js.TaskRun {
			c.follow(run, p.Job(js.Name), js.Attempt-1, tr) // the attempt before a retry
			tr = nil
		}
		if tr != nil {
			waiting = c.follow(run, p.Job(js.Name), js.Attempt, tr) || waiting
		}
		if js.Phase == v1alpha1.Running && tr == nil && js.StartedAt == nil {
			if err := c.launch(ctx, run, p, p.Job(js.Name), js); err != nil {
				return c.refused(ctx, run, js, err)
			}
		}
		if run.Spec.Cancel && tr != nil && !tr.IsDone() && tr.Spec.Status == "" {
			patch := client.MergeFrom(tr.DeepCopy())
			tr.Spec.Status = tekton.TaskRunSpecStatusCancelled
			if err := c.Patch(ctx, tr, patch); client.IgnoreNotFound(err) != nil {
				return ctrl.Result{}, err
			}
		}
	}
	if run.Status.Phase.Finished() && !waiting {
		return c.clean(ctx, run)
	}
	return ctrl.Result{}, nil
}

// keepTaskRuns is how long finished TaskRuns and their pods stay for people to look at.
const keepTaskRuns = time.Hour

// clean removes the tokens of a finished run at once and its pods later. All logs are sealed.
func (c *Controller) clean(ctx context.Context, run *v1alpha1.Run) (ctrl.Result, error) {
	mine := []client.DeleteAllOfOption{client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRun: run.Name}}
	if err := c.DeleteAllOf(ctx, &corev1.Secret{}, mine...); err != nil {
		return ctrl.Result{}, err
	}
	if run.Status.FinishedAt == nil {
		return ctrl.Result{}, nil
	}
	if left := keepTaskRuns - time.Since(run.Status.FinishedAt.Time); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	return ctrl.Result{}, c.DeleteAllOf(ctx, &tekton.TaskRun{}, append(mine, client.PropagationPolicy(metav1.DeletePropagationBackground))...)
}

// follow the log of an attempt; it says whether the log is still to be completed.
func (c *Controller) follow(run *v1alpha1.Run, job *plan.Job, attempt int, tr *tekton.TaskRun) bool {
	a := joblog.Attempt{Namespace: run.Namespace, Run: run.Name, Job: job.ID, Number: attempt}
	if c.LogStore.Sealed(a) {
		return false
	}
	started := false
	for _, s := range tr.Status.Steps {
		started = started || s.Running != nil || s.Terminated != nil
	}
	switch {
	case tr.Status.PodName != "" && (started || tr.IsDone()):
		c.Logs.Follow(a, tr.Status.PodName, containerName)
		return true
	case tr.IsDone() && !c.Logs.Following(a):
		text := "no pod was started"
		if cond := tr.Status.GetCondition("Succeeded"); cond != nil {
			text = cond.Message
		}
		if err := c.LogStore.Seal(a, oneLine(text)); err != nil {
			c.Log.Error("seal job log", "run", run.Name, "job", job.Name, "err", err)
			return true
		}
		return false
	}
	return true
}

// compilePatience is how long reading a commit is tried before the run fails.
const compilePatience = time.Minute

var errNoRepository = errors.New("the repository does not exist")

// plan loads the run's plan, or compiles and stores it. Nil means that there is none:
// the status then says why.
func (c *Controller) plan(ctx context.Context, run *v1alpha1.Run) (*plan.Plan, error) {
	if run.Status.Phase.Finished() && len(run.Status.Jobs) == 0 {
		return nil, nil
	}
	p, err := loadPlan(ctx, c.Artifacts, run.Namespace, run.Name)
	if err != nil {
		return nil, err
	}
	if p != nil {
		fill(run, p)
		return p, nil
	}
	if run.Spec.Cancel {
		finish(run, v1alpha1.Canceled, "")
		return nil, nil
	}
	repo := &v1alpha1.Repository{}
	err = c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}, repo)
	if apierrors.IsNotFound(err) {
		finish(run, v1alpha1.Failed, fmt.Sprintf("repository %s: %v", run.Spec.Repository, errNoRepository))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	compiled, err := c.Compiler.Compile(ctx, run, repo)
	if err != nil && time.Since(run.CreationTimestamp.Time) > compilePatience {
		finish(run, v1alpha1.Failed, "the pipeline cannot be read: "+oneLine(err.Error()))
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run %s: compile: %w", run.Name, err)
	}
	switch {
	case len(compiled.Problems) > 0:
		run.Status.Problems = compiled.Problems
		finish(run, v1alpha1.Failed, problemLine(compiled.Problems))
		return nil, nil
	case compiled.Plan == nil:
		finish(run, v1alpha1.Succeeded, "this commit has no pipeline file, Dockerfile or manifests")
		return nil, nil
	case len(compiled.Plan.Jobs) == 0:
		run.Status.Pipeline = compiled.Plan.Source
		finish(run, v1alpha1.Succeeded, compiled.Plan.Empty)
		return nil, nil
	}
	if err := storePlan(ctx, c.Artifacts, run, compiled.Plan); err != nil {
		return nil, err
	}
	fill(run, compiled.Plan)
	return compiled.Plan, nil
}
