package run

import (
	"context"
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
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/archive"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobcache"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/protection"
	"slipway.dev/pipelines/submodule"
	"slipway.dev/pipelines/variables"
)

// Compiled is what a Compiler makes of a commit.
type Compiled struct {
	// Plan is nil where there are Problems.
	Plan     *plan.Plan
	Problems []v1alpha1.Problem
}

// Compiler finds and compiles the pipeline of the run's commit. An error means that
// it could not look (and will be asked again); a bad file is Problems. Of is the job that
// started the run, where one did.
type Compiler interface {
	Compile(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository, of *Origin) (Compiled, error)
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
	// ArchiveAfter is how long a run that is over stays in etcd. Default 1h.
	ArchiveAfter time.Duration
	// MaxRuns and MaxJobs at one time, in all namespaces; 0: no limit.
	MaxRuns, MaxJobs int
}

// Controller reconciles Runs.
type Controller struct {
	client.Client
	Compiler  Compiler
	Artifacts jobapi.Artifacts
	// Archive has the runs that are no longer in etcd.
	Archive  *archive.Store
	LogStore *joblog.Store
	Logs     Logs
	// ServiceLogs opens the last lines of a container's log. Nil: they are not shown.
	ServiceLogs func(ctx context.Context, namespace, pod, container string) (io.ReadCloser, error)
	Tokens      *jobapi.Tokens
	// Signer of the id_tokens of jobs.
	Signer Signer
	// Vaults are read for secrets of jobs. Nil: none is.
	Vaults Vaults
	// Variables of repositories and namespaces; Reachable tells which runs get protected ones.
	Variables *variables.Store
	Reachable protection.Reachable
	// CacheSize is how many bytes a job would get under the first of the keys that has
	// something. Nil: nothing is known of caches.
	CacheSize func(scope jobcache.Scope, keys []string) int64
	// Modules finds the submodules of jobs. Nil: there are none.
	Modules *submodule.Finder
	// MayStart says whether who caused a run may start those of other repositories.
	MayStart MayStart
	Settings Settings
	Log      *slog.Logger
	Metrics  *Metrics
	// Events on Runs and Repositories: mgr.GetEventRecorder("slipway"). Nil sends none.
	Events events.EventRecorder

	sealed  chan event.GenericEvent
	plans   plans
	turns   turns
	waiting waiting
}

// SetupWithManager registers the controller.
func (c *Controller) SetupWithManager(mgr ctrl.Manager) error {
	if err := c.watchRefusals(mgr); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).Named("run").
		For(&v1alpha1.Run{}).
		Owns(&tekton.TaskRun{}).
		Watches(&v1alpha1.Run{}, handler.EnqueueRequestsFromMapFunc(parentOf), builder.WithPredicates(childChanged)).
		Watches(&v1alpha1.Repository{}, handler.EnqueueRequestsFromMapFunc(c.affected)).
		WatchesRawSource(source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			c.turns.mu.Lock()
			defer c.turns.mu.Unlock()
			c.turns.wake = func(k types.NamespacedName) { q.Add(reconcile.Request{NamespacedName: k}) }
			return nil
		})).
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
	if run.Annotations[v1alpha1.AnnotationArchived] != "" {
		return ctrl.Result{}, nil // on its way between etcd and the archive
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

// forget what a deleted run left, unless it went to the archive.
func (c *Controller) forget(ctx context.Context, run *v1alpha1.Run) error {
	if run.Annotations[v1alpha1.AnnotationArchived] != leaving {
		if err := c.deleteChildren(ctx, run); err != nil {
			return err
		}
		if err := c.removeArchived(ctx, run); err != nil {
			return err
		}
	}
	c.plans.drop(key(run))
	c.turns.forget(key(run))
	c.waiting.drop(key(run))
	if controllerutil.RemoveFinalizer(run, finalizer) {
		return client.IgnoreNotFound(c.Update(ctx, run))
	}
	return nil
}

// forgetBytes of a run: its artifacts and logs.
func (c *Controller) forgetBytes(ctx context.Context, run *v1alpha1.Run) error {
	if err := c.Artifacts.DeleteRun(ctx, run.Namespace, run.Name); err != nil {
		return fmt.Errorf("run %s: delete artifacts: %w", run.Name, err)
	}
	if err := c.LogStore.Delete(run.Namespace, run.Name); err != nil {
		return fmt.Errorf("run %s: delete logs: %w", run.Name, err)
	}
	return nil
}

// save writes the status if it changed.
func (c *Controller) save(ctx context.Context, before, run *v1alpha1.Run) error {
	fit(run)
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

// advance looks at what runs, lets people's actions take effect, decides, writes the
// decision down, then carries it out.
func (c *Controller) advance(ctx context.Context, run, before *v1alpha1.Run, p *plan.Plan) (ctrl.Result, error) {
	taskRuns, waiting, err := c.look(ctx, run, p)
	if err != nil {
		return ctrl.Result{}, err
	}
	handle(run, p)
	wake, err := c.decideInTurn(ctx, run, before, p)
	if err != nil {
		return ctrl.Result{}, err
	}
	result := ctrl.Result{}
	if !wake.IsZero() {
		result.RequeueAfter = max(time.Until(wake), time.Millisecond)
	}
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		if js.Phase != v1alpha1.Running {
			continue
		}
		tr, job := taskRuns[js.TaskRun], p.Job(js.Name)
		switch {
		case job.Trigger != nil:
			if js.StoppingAt == nil && js.StartedAt == nil {
				if err := c.startChild(ctx, run, p, job, js); err != nil {
					return c.refused(ctx, run, p, js, err)
				}
			}
		case js.StoppingAt != nil:
			gone, err := c.stop(ctx, run, job, js, tr)
			if err != nil {
				return ctrl.Result{}, err
			}
			if gone || tr != nil && tr.IsDone() {
				result.RequeueAfter = sooner(result.RequeueAfter, stopLook)
			}
		case tr == nil && js.StartedAt == nil:
			if err := c.launch(ctx, run, p, job, js); err != nil {
				return c.refused(ctx, run, p, js, err)
			}
		}
	}
	if run.Status.Phase.Finished() && !waiting {
		return ctrl.Result{}, c.clean(ctx, run)
	}
	return result, nil
}

// stopLook is when an attempt that was stopped is looked at again, if nothing comes before.
const stopLook = 10 * time.Second

func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return b
	}
	return a
}

// look at the TaskRuns of all attempts, follow their logs and bring the status up to
// them. The answer has the TaskRuns by name, and whether a log is still to be completed.
func (c *Controller) look(ctx context.Context, run *v1alpha1.Run, p *plan.Plan) (map[string]*tekton.TaskRun, bool, error) {
	taskRuns, waiting := map[string]*tekton.TaskRun{}, false
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		if js.Attempt == 0 || js.TaskRun == "" && js.Child == "" && len(js.Attempts) == 0 {
			continue
		}
		job := p.Job(js.Name)
		if js.Child != "" {
			if err := c.lookChild(ctx, run, p, job, js); err != nil {
				return nil, false, err
			}
			continue
		}
		for _, old := range js.Attempts {
			if old.Child != "" || c.LogStore.Sealed(joblog.Attempt{Namespace: run.Namespace, Run: run.Name, Job: job.ID, Number: old.Number}) {
				continue
			}
			tr, err := c.taskRunOf(ctx, run.Namespace, attemptName(run.Name, job.ID, old.Number))
			if err != nil {
				return nil, false, err
			}
			if tr != nil && isAttempt(tr, run, job, old.Number) {
				waiting = c.follow(run, job, old.Number, tr) || waiting
			}
		}
		if js.TaskRun == "" {
			continue
		}
		tr, err := c.taskRunOf(ctx, run.Namespace, js.TaskRun)
		if err != nil {
			return nil, false, err
		}
		if tr != nil && !isAttempt(tr, run, job, js.Attempt) {
			if js.Phase == v1alpha1.Running {
				c.notOurs(run, job, js)
			}
			continue
		}
		open := false
		if tr != nil {
			taskRuns[js.TaskRun] = tr
			open = c.follow(run, job, js.Attempt, tr)
			waiting = waiting || open
			if tr.IsDone() && !open {
				if err := c.endServices(ctx, tr); err != nil {
					return nil, false, err
				}
			}
		}
		if js.Phase != v1alpha1.Running {
			continue
		}
		if tr == nil && js.StoppingAt != nil {
			gone, err := c.stop(ctx, run, job, js, nil)
			if err != nil {
				return nil, false, err
			}
			if gone {
				end(js, v1alpha1.Canceled, "", whyStopped(run, js))
			}
			continue
		}
		if tr != nil && js.StoppingAt == nil {
			if err := c.giveUp(ctx, tr, refusedImage(tr, job, js)); err != nil {
				return nil, false, err
			}
		}
		observe(run, js, job, tr, !open)
		if err := c.locate(ctx, run, p, job, js); err != nil {
			return nil, false, err
		}
	}
	return taskRuns, waiting, nil
}

func (c *Controller) taskRunOf(ctx context.Context, namespace, name string) (*tekton.TaskRun, error) {
	tr := &tekton.TaskRun{}
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, tr)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return tr, err
}

// clean removes the tokens of a finished run. All logs are sealed.
func (c *Controller) clean(ctx context.Context, run *v1alpha1.Run) error {
	return c.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRun: run.Name})
}

// follow the log of an attempt; it says whether the log is still to be completed.
func (c *Controller) follow(run *v1alpha1.Run, job *plan.Job, attempt int, tr *tekton.TaskRun) bool {
	a := joblog.Attempt{Namespace: run.Namespace, Run: run.Name, Job: job.ID, Number: attempt}
	if c.LogStore.Sealed(a) {
		return false
	}
	started := false
	for _, s := range tr.Status.Steps {
		started = started || s.Name == stepName && (s.Running != nil || s.Terminated != nil)
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
