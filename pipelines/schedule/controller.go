package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/cron"
)

// Controller reconciles Schedules.
type Controller struct {
	client.Client
	// NewRun makes, but does not store, a run of what ref (a full or short name, or empty
	// for the default branch) of the repository points to.
	NewRun func(repo *v1alpha1.Repository, ref string) (*v1alpha1.Run, error)
	Log    *slog.Logger
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

var _ reconcile.Reconciler = (*Controller)(nil)

// SetupWithManager registers the controller.
func (c *Controller) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("schedule").
		For(&v1alpha1.Schedule{}).WithEventFilter(predicate.GenerationChangedPredicate{}).Complete(c)
}

func (c *Controller) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// maxWait until the clock is looked at again: it may be set meanwhile.
const maxWait = 10 * time.Minute

// Reconcile makes the run that is due, and says when to look again.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &v1alpha1.Schedule{}
	if err := c.Get(ctx, req.NamespacedName, s); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !s.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	before := s.DeepCopy()
	if err := c.advance(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if !equality.Semantic.DeepEqual(s.Status, before.Status) {
		err := c.Status().Patch(ctx, s, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil // the cache is behind
		}
		if err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
	}
	if s.Status.Next == nil {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: max(min(s.Status.Next.Sub(c.now()), maxWait), 10*time.Millisecond)}, nil
}

// advance brings the status to now. The Run is made before the status says so, under
// the name of its time: a crash between the two repeats into AlreadyExists.
func (c *Controller) advance(ctx context.Context, s *v1alpha1.Schedule) error {
	now := c.now()
	fresh := s.Status.ObservedGeneration != s.Generation
	s.Status.ObservedGeneration = s.Generation
	line, err := cron.Parse(s.Spec.Cron, s.Spec.TimeZone)
	if err != nil {
		s.Status.Next, s.Status.Message = nil, err.Error()
		return nil
	}
	if fresh {
		s.Status.Message = ""
	}
	if s.Spec.Suspend {
		s.Status.Next = nil
		return nil
	}
	next := func() *metav1.Time { t := metav1.NewTime(line.Next(now).UTC()); return &t }
	if fresh || s.Status.Next == nil {
		s.Status.Next = next() // what lies before a change of the schedule is not made up for
		return nil
	}
	if s.Status.Next.After(now) {
		return nil
	}
	due := line.Latest(s.Status.Next.Time, now)
	if due.IsZero() {
		due = s.Status.Next.Time
	}
	run, err := c.start(ctx, s, s.Name+"-s"+strconv.FormatInt(due.Unix()/60, 10), s.Spec.By)
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsBadRequest(err) || apierrors.IsInvalid(err):
		s.Status.Message = err.Error()
	case err != nil:
		return err
	default:
		at := metav1.NewTime(due.UTC())
		s.Status.Last, s.Status.LastRun, s.Status.Message = &at, run.Name, ""
		c.Log.Info("schedule", "namespace", s.Namespace, "schedule", s.Name, "due", due, "run", run.Name)
	}
	s.Status.Next = next()
	return nil
}

// start the run of that name; one that is there already is the one.
func (c *Controller) start(ctx context.Context, s *v1alpha1.Schedule, name, by string) (*v1alpha1.Run, error) {
	if err := Check(s); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: s.Namespace, Name: s.Spec.Repository}, repo); err != nil {
		return nil, err
	}
	run, err := c.NewRun(repo, s.Spec.Ref)
	if err != nil {
		return nil, err
	}
	run.Name = name
	run.Spec.Cause, run.Spec.Schedule, run.Spec.By = "schedule", s.Name, by
	run.Spec.Variables, run.Spec.Inputs = s.Spec.Variables, s.Spec.Inputs
	if err := c.Create(ctx, run); err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("schedule %s: run %s: %w", s.Name, name, err)
	}
	return run, nil
}

// Play starts a run of the schedule now; its times stay as they are.
func (c *Controller) Play(ctx context.Context, namespace, name, by string) (*v1alpha1.Run, error) {
	s := &v1alpha1.Schedule{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, s); err != nil {
		return nil, err
	}
	// Asked twice within a second is asked once.
	return c.start(ctx, s, name+"-p"+strconv.FormatInt(c.now().Unix(), 36), by)
}

// Suspend or resume. Times that pass meanwhile are not made up for.
func (c *Controller) Suspend(ctx context.Context, namespace, name string, suspend bool) error {
	s := &v1alpha1.Schedule{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, s); err != nil {
		return err
	}
	patch := client.MergeFrom(s.DeepCopy())
	s.Spec.Suspend = suspend
	return c.Patch(ctx, s, patch)
}

// maxName leaves room for the time in the name of a run, which is a label's value.
const maxName = 45

// Check says what is wrong with a schedule.
func Check(s *v1alpha1.Schedule) error {
	if len(s.Name) > maxName {
		return fmt.Errorf("schedule %s: the name has %d characters; use at most %d", s.Name, len(s.Name), maxName)
	}
	if s.Spec.Repository == "" {
		return fmt.Errorf("schedule %s: repository is missing", s.Name)
	}
	if _, err := cron.Parse(s.Spec.Cron, s.Spec.TimeZone); err != nil {
		return fmt.Errorf("schedule %s: %w", s.Name, err)
	}
	return nil
}
