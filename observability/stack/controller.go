package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	kube "slipway.dev/cluster/client"
)

// Search readies the Elasticsearch of a stack for its lines.
type Search interface {
	// Ensure puts users, lifecycle policy and templates there, again and again, and says
	// whether the cluster is green, yellow or red.
	Ensure(ctx context.Context, a Access) (health string, err error)
}

// Access is how the Elasticsearch is reached from outside of the cluster's network names.
type Access struct {
	// Address is host:port; ServerName is whom its certificate is for, by the authority CA.
	Address, ServerName string
	CA                  []byte
	// Passwords by user: Superuser is there, KibanaUser, Writer and Reader are to have theirs.
	Passwords map[string]string
	// Retention is after how long lines are deleted.
	Retention time.Duration
}

// Lines are what the log store sends on.
type Lines interface {
	// Send every line that is kept from now on to a Fluentd as well. It may be asked for again.
	Send(ctx context.Context, to Forward) error
	// Stop sending, and forget what waits.
	Stop(ctx context.Context) error
}

// Forward is a Fluentd's forward input.
type Forward struct {
	Address, ServerName, SharedKey string
	CA                             []byte
	// Back says that it is ready since a moment ago: what waits for it need wait no longer.
	Back bool
}

const (
	finalizer = "slipway.dev/logstack"
	// AnnotationRemoveData says of a LogStack that is deleted that its data goes with it.
	AnnotationRemoveData = "slipway.dev/remove-data"

	// soon is when a stack is looked at again that is not ready, calm when it is.
	soon = 5 * time.Second
	calm = time.Minute
)

// Controller keeps the LogStack as it should be.
type Controller struct {
	Client client.Client
	// Reader reads uncached: what a stack is made of is of no interest to anybody else.
	Reader client.Reader
	Search Search
	Lines  Lines
	Log    *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	// flowing is what the last pass found: lines get through. Passes do not overlap.
	flowing bool
}

// SetupWithManager watches the LogStack and the pods of its namespace.
func (c *Controller) SetupWithManager(m ctrl.Manager) error {
	one := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: v1alpha1.LogStackName}}}
	})
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetNamespace() == namespace })
	return ctrl.NewControllerManagedBy(m).Named("logstack").
		For(&v1alpha1.LogStack{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Pod{}, one, builder.WithPredicates(ours)).
		Complete(c)
}

func (c *Controller) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Reconcile puts the objects right, and says how they are.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	stack := &v1alpha1.LogStack{}
	if err := c.Reader.Get(ctx, req.NamespacedName, stack); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !stack.DeletionTimestamp.IsZero() {
		return c.remove(ctx, stack)
	}
	if controllerutil.AddFinalizer(stack, finalizer) {
		if err := c.Client.Update(ctx, stack); err != nil {
			return ctrl.Result{}, err
		}
	}
	status, err := c.pass(ctx, stack)
	if err != nil {
		status.State, status.Message = v1alpha1.StackDegraded, err.Error()
	}
	if err := c.tell(ctx, stack, status); err != nil {
		return ctrl.Result{}, err
	}
	if status.State == v1alpha1.StackReady {
		return ctrl.Result{RequeueAfter: calm}, nil
	}
	return ctrl.Result{RequeueAfter: soon}, nil
}

// pass applies everything, and looks at it. The status has what could be found out, also
// where there is an error.
func (c *Controller) pass(ctx context.Context, stack *v1alpha1.LogStack) (v1alpha1.LogStackStatus, error) {
	var status v1alpha1.LogStackStatus
	s, err := c.apply(ctx, stack.Spec)
	if err != nil {
		return status, err
	}
	for _, part := range Wanted(stack.Spec) {
		seen, err := c.look(ctx, part)
		if err != nil {
			return status, err
		}
		h := Health(part, seen, c.now())
		h.Message, h.Reason = s.mask(h.Message), s.mask(h.Reason)
		status.Components = append(status.Components, h)
	}
	if err := c.join(ctx, stack.Spec, s, &status); err != nil {
		return status, err
	}
	status.State, status.Message = worst(status.Components)
	return status, nil
}

// mask takes passwords out of what pods said.
func (s *Secrets) mask(text string) string {
	for _, p := range s.Passwords {
		text = strings.ReplaceAll(text, p, "***")
	}
	return text
}

// join tells the log store where to send its lines, and the Elasticsearch who comes.
func (c *Controller) join(ctx context.Context, spec v1alpha1.LogStackSpec, s *Secrets, status *v1alpha1.LogStackStatus) error {
	fluentd, err := c.reach(ctx, Fluentd, FluentdPort)
	if err != nil {
		return err
	}
	to := Forward{Address: fluentd, ServerName: Host(Fluentd), SharedKey: s.Passwords[sharedKey], CA: s.Authority.Cert}
	// From the first moment: what it cannot take yet waits.
	if err := c.Lines.Send(ctx, to); err != nil {
		return fmt.Errorf("sending lines to fluentd: %w", err)
	}
	takes := map[string]bool{}
	for i := range status.Components {
		part := &status.Components[i]
		takes[part.Name] = part.Ready > 0
		if part.Name != Elasticsearch || part.Ready == 0 {
			continue
		}
		address, err := c.reach(ctx, Elasticsearch, ElasticsearchPort)
		if err != nil {
			return err
		}
		health, err := c.Search.Ensure(ctx, Access{
			Address: address, ServerName: Host(Elasticsearch), CA: s.Authority.Cert, Passwords: s.Passwords,
			Retention: time.Duration(max(1, spec.Elasticsearch.Retention)) * 24 * time.Hour,
		})
		status.ElasticsearchHealth = health
		switch {
		case err != nil:
			part.State, part.Reason, part.Message = v1alpha1.StackDegraded, "Unusable", s.mask(err.Error())
			if c.starting(part) {
				part.State = v1alpha1.StackProgressing
			}
		case health == "red":
			part.State, part.Reason = v1alpha1.StackDegraded, "Red"
			part.Message = "shards are missing; `slipway logstack show` says how to reach it, and GET _cluster/allocation/explain why"
		}
		takes[Elasticsearch] = err == nil
	}
	flowing := takes[Fluentd] && takes[Elasticsearch]
	to.Back, c.flowing = flowing && !c.flowing, flowing
	if !to.Back {
		return nil
	}
	if err := c.Lines.Send(ctx, to); err != nil {
		return fmt.Errorf("sending lines to fluentd: %w", err)
	}
	return nil
}

// starting says whether pods of a part are still to come, so that a failure may be theirs.
func (c *Controller) starting(part *v1alpha1.StackComponent) bool { return part.Ready < part.Wanted }

// reach is the address of a part's service. Names of the cluster's DNS are none to a node.
func (c *Controller) reach(ctx context.Context, part string, port int) (string, error) {
	var service corev1.Service
	if err := c.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: part}, &service); err != nil {
		return "", err
	}
	return net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(port)), nil
}

// tell writes the status where it changed.
func (c *Controller) tell(ctx context.Context, stack *v1alpha1.LogStack, status v1alpha1.LogStackStatus) error {
	status.ObservedGeneration = stack.Generation
	status.Conditions = append([]metav1.Condition{}, stack.Status.Conditions...)
	for _, state := range []string{v1alpha1.StackReady, v1alpha1.StackProgressing, v1alpha1.StackDegraded} {
		reason, message := status.State, ""
		if status.State == state {
			message = status.Message
		}
		kube.SetCondition(&status.Conditions, stack.Generation, state, status.State == state, reason, message)
	}
	if equality.Semantic.DeepEqual(stack.Status, status) {
		return nil
	}
	before := stack.Status.State
	old := stack.DeepCopy()
	stack.Status = status
	if err := c.Client.Status().Patch(ctx, stack, client.MergeFrom(old)); err != nil {
		return client.IgnoreNotFound(err)
	}
	if before != status.State {
		c.Log.Info("log stack", "state", status.State, "message", status.Message)
	}
	return nil
}

// ErrNotOurs is what is said of a namespace that somebody else made.
var ErrNotOurs = errors.New("the namespace " + namespace + " is there and was not made for a log stack; rename or delete it")

// secrets are read, completed and kept.
func (c *Controller) secrets(ctx context.Context, spec v1alpha1.LogStackSpec) (*Secrets, error) {
	s := &Secrets{}
	var list corev1.SecretList
	if err := c.Reader.List(ctx, &list, client.InNamespace(namespace), client.HasLabels{labelPart}); err != nil {
		return nil, err
	}
	for i := range list.Items {
		s.read(&list.Items[i])
	}
	if err := s.Complete(spec, c.now()); err != nil {
		return nil, err
	}
	// These first: a password that is in use and nowhere written down is lost.
	return s, c.applyAll(ctx, s.kept())
}

func (c *Controller) applyAll(ctx context.Context, objects []client.Object) error {
	var errs []error
	for _, o := range objects {
		errs = append(errs, kube.Apply(ctx, c.Client, o))
	}
	return errors.Join(errs...)
}
