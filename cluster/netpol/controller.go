package netpol

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/events"

	"slipway.dev/cluster/netpol/arrival"
	"slipway.dev/cluster/netpol/rules"
)

const (
	// renew is how often the whole table is written, in case somebody took it away.
	renew = 5 * time.Minute
	// answerWithin is less than the CNI plugin waits.
	answerWithin = 8 * time.Second
	// writeWithin bounds one transaction.
	writeWithin = 30 * time.Second
)

// Config of the enforcement on one node.
type Config struct {
	// Client reads policies, pods and namespaces of the whole cluster.
	Client kubernetes.Interface
	// Node is the name of this one: its pods are limited.
	Node string
	// Socket that the CNI plugin asks at; it is there only while there are policies.
	Socket string
	// Events on policies that can not be enforced. Optional.
	Events events.EventRecorder
	// Metrics are registered there. Optional.
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// Controller enforces network policies until Run returns; the kernel does after that.
type Controller struct {
	Config
	changes  chan struct{}
	policies networkinglisters.NetworkPolicyLister
	arrivals arrivals
	said     said
	metrics  *metrics

	// open is openTable, and patience answerWithin, but for tests.
	open     func() (*table, error)
	patience time.Duration

	// Only Run's goroutine uses these.
	table    *table
	watched  *watched
	listener net.Listener
	serving  sync.WaitGroup

	mu    sync.Mutex
	state State
}

// State is how the enforcement is.
type State struct {
	Policies int
	Limited  int   // pods of this node
	Err      error // why the kernel does not have what it should
}

// New makes a controller that does nothing before Run.
func New(c Config) (*Controller, error) {
	x := &Controller{Config: c, changes: make(chan struct{}, 1), open: openTable, patience: answerWithin}
	var err error
	x.metrics, err = newMetrics(c.Metrics, x.State)
	return x, err
}

// State says how it is now.
func (c *Controller) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Run enforces until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	factory := informers.NewSharedInformerFactory(c.Client, 0)
	c.policies = factory.Networking().V1().NetworkPolicies().Lister()
	informer := factory.Networking().V1().NetworkPolicies().Informer()
	if _, err := informer.AddEventHandler(handler(c.changed)); err != nil {
		cancel()
		return err
	}
	defer func() {
		cancel()
		factory.Shutdown()
		c.leave()
	}()
	factory.Start(ctx.Done())
	if factory.WaitForCacheSync(ctx.Done()); ctx.Err() != nil {
		return nil
	}
	fresh := newBackoff()
	backoff := fresh
	again := time.NewTimer(renew)
	defer again.Stop()
	for {
		err := c.pass(ctx)
		if ctx.Err() != nil {
			return nil
		}
		next := renew
		if err != nil {
			next = backoff.Step()
			c.Log.Error("network policies are not enforced as they should be", "err", err, "again", next)
		} else {
			backoff = fresh
		}
		again.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-c.changes:
		case <-again.C:
			if c.watched != nil {
				c.table.forget()
			}
		}
	}
}

func newBackoff() wait.Backoff {
	return wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 10, Cap: 30 * time.Second}
}

// changed asks for a pass; several at once are one.
func (c *Controller) changed() {
	select {
	case c.changes <- struct{}{}:
	default:
	}
}

// pass makes the kernel have what the policies say now.
func (c *Controller) pass(ctx context.Context) (err error) {
	began := time.Now()
	state := State{}
	defer func() {
		c.metrics.passed(time.Since(began), err)
		state.Err = err
		c.mu.Lock()
		c.state = state
		c.mu.Unlock()
	}()
	if c.table == nil {
		if c.table, err = c.open(); err != nil {
			return err
		}
	}
	policies, err := c.policies.List(labels.Everything())
	if err != nil {
		return err
	}
	state.Policies = len(policies)
	if len(policies) == 0 {
		return c.clear(ctx)
	}
	in, err := c.input(ctx, policies)
	if err != nil {
		return err
	}
	t, problems := rules.Compile(in)
	state.Limited = len(t.Addresses())
	write, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	err = c.table.apply(write, t)
	c.arrivals.settle(in, t, err == nil)
	c.say(policies, problems)
	return errors.Join(err, c.listen(ctx))
}

func (c *Controller) input(ctx context.Context, policies []*networkingv1.NetworkPolicy) (rules.Input, error) {
	in := rules.Input{Policies: policies, Namespaces: map[string]labels.Set{}}
	var err error
	if c.watched == nil {
		if c.watched, err = watch(ctx, c.Client, c.changed); err != nil {
			return in, err
		}
	}
	namespaces, err := c.watched.namespaces.List(labels.Everything())
	if err != nil {
		return in, err
	}
	for _, n := range namespaces {
		in.Namespaces[n.Name] = n.Labels
	}
	pods, err := c.watched.pods.List(labels.Everything())
	if err != nil {
		return in, err
	}
	in.Pods = c.arrivals.place(c.Node, pods)
	return in, nil
}

// clear leaves nothing: no table, no socket, no watch of pods.
func (c *Controller) clear(ctx context.Context) error {
	c.hangUp()
	if err := os.Remove(c.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("network policies: %w", err)
	}
	c.arrivals.clear()
	c.say(nil, nil)
	if c.watched != nil {
		c.watched.close()
		c.watched = nil
	}
	write, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	return c.table.remove(write)
}

// listen lets the CNI plugin ask.
func (c *Controller) listen(ctx context.Context) error {
	if c.listener != nil {
		return nil
	}
	// One may be there of before, and plugins wait that it answers.
	if err := os.Remove(c.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("network policies: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: c.Socket})
	if err != nil {
		return fmt.Errorf("network policies: %w", err)
	}
	// The next server finds it, and no pod starts before it has the policies.
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(c.Socket, 0o600); err != nil {
		_ = l.Close()
		return fmt.Errorf("network policies: %w", err)
	}
	c.listener = l
	c.serving.Go(func() { arrival.Serve(ctx, l, c.patience, c.arrive) })
	return nil
}

// arrive answers the CNI plugin.
func (c *Controller) arrive(ctx context.Context, p arrival.Pod) error {
	x := c.arrivals.add(p)
	c.changed()
	return c.arrivals.wait(ctx, x)
}

func (c *Controller) hangUp() {
	if c.listener != nil {
		_ = c.listener.Close()
		c.listener = nil
	}
}

// leave ends what Run began; socket and table stay, in force.
func (c *Controller) leave() {
	c.hangUp()
	c.serving.Wait()
	if c.watched != nil {
		c.watched.close()
		c.watched = nil
	}
}

// Remove takes away what a controller left on this machine.
func Remove(ctx context.Context, socket string) error {
	t, err := openTable()
	if err == nil {
		err = t.remove(ctx)
	}
	if gone := os.Remove(socket); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}
