package joblog

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// A stream that ended is asked for once more soon, as its container has most likely
// ended, then after ever longer pauses up to again.
const (
	soon  = 10 * time.Millisecond
	again = 300 * time.Millisecond
	// missing is how long a node may not know a container that ended before its log is
	// taken for lost: a kubelet that starts knows no pod at first.
	missing = time.Minute
)

// Pods is what the collector asks of Kubernetes.
type Pods interface {
	// Stream follows the container's log with time stamps, from since on.
	Stream(ctx context.Context, namespace, pod, container string, since *metav1.Time) (io.ReadCloser, error)
	// Ended says whether the container will print nothing more.
	Ended(ctx context.Context, namespace, pod, container string) (bool, error)
}

// Collector writes the logs of running containers into a Store, each in a goroutine
// of its own that ends with the container or with the context of Run.
type Collector struct {
	Store *Store
	Pods  Pods
	Log   *slog.Logger
	// Missing is how long a node may not know a container that ended. Default 1m.
	Missing time.Duration
	// Sealed is called after a log was sealed. May be nil.
	Sealed func(Attempt)

	mu     sync.Mutex
	ctx    context.Context
	active map[Attempt]bool
	group  sync.WaitGroup
}

// Start lets Follow work until ctx ends; Wait then waits for what runs.
func (c *Collector) Start(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx, c.active = ctx, map[Attempt]bool{}
}

// Wait for all that Follow started, after the context of Start has ended.
func (c *Collector) Wait() { c.group.Wait() }

// Follow the container from where the log ends. Following what is followed or sealed
// does nothing.
func (c *Collector) Follow(a Attempt, pod, container string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active == nil || c.active[a] || c.ctx.Err() != nil || c.Store.Sealed(a) {
		return
	}
	c.active[a] = true
	ctx := c.ctx
	c.group.Go(func() {
		err := c.follow(ctx, a, pod, container)
		c.mu.Lock()
		delete(c.active, a)
		c.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			c.Log.Error("job log", "namespace", a.Namespace, "run", a.Run, "job", a.Job, "attempt", a.Number, "err", err)
		}
		if err == nil && c.Sealed != nil {
			c.Sealed(a)
		}
	})
}

// Following says whether the attempt's log is being written.
func (c *Collector) Following(a Attempt) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active[a]
}

func (c *Collector) follow(ctx context.Context, a Attempt, pod, container string) error {
	w, err := c.Store.append(a)
	if errors.Is(err, errSealed) {
		return nil
	}
	if err != nil {
		return err
	}
	defer w.close()
	pause := soon
	var unknown time.Time // since when the node does not know the container
	for {
		// Asked before the last look at the log, so that nothing is missed between.
		ended, endErr := c.Pods.Ended(ctx, a.Namespace, pod, container)
		before := w.size
		err := c.once(ctx, w, a.Namespace, pod, container)
		var disk *diskError
		switch {
		case errors.As(err, &disk):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case apierrors.IsNotFound(endErr):
			return w.end() // the pod is gone, and with it what is not here
		case !apierrors.IsNotFound(err):
			unknown = time.Time{}
		case unknown.IsZero():
			unknown = time.Now()
		case ended && time.Since(unknown) > cmp.Or(c.Missing, missing):
			return w.end()
		}
		if err == nil && endErr == nil && ended {
			// A stream that broke ends like one that is complete: a log is when a look after
			// the container's end brings nothing more.
			if w.size == before {
				return w.end()
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, again)
	}
}

type diskError struct{ error }

func (e *diskError) Unwrap() error { return e.error }

// once takes what the log has beyond what is written. A last line without its end is cut
// off, or the container did not finish it: the next look goes on with it.
func (c *Collector) once(ctx context.Context, w *writer, namespace, pod, container string) error {
	var since *metav1.Time
	if !w.last.IsZero() {
		t := metav1.NewTime(w.last.Truncate(time.Second))
		since = &t
	}
	body, err := c.Pods.Stream(ctx, namespace, pod, container, since)
	if err != nil {
		return err
	}
	defer body.Close()
	// A line comes in pieces of at most the reader's buffer: it may be as long as a log.
	last, same, known := w.last, w.same, w.partial
	begins, skip := true, false
	r := bufio.NewReaderSize(body, maxHeld)
	for {
		piece, err := r.ReadSlice('\n')
		if len(piece) > 0 {
			if begins {
				t, _ := split(piece)
				switch {
				case t.IsZero() && err != nil && !errors.Is(err, bufio.ErrBufferFull):
					skip = true // cut off within its time stamp
				case !t.IsZero() && t.Before(last):
					skip = true
				case !t.IsZero() && t.Equal(last) && same > 0:
					skip, same = true, same-1
				default:
					skip = false
				}
			}
			begins = piece[len(piece)-1] == '\n'
			if !skip {
				// The beginning of a line that the last stream broke off in is there already.
				n := min(known, int64(len(piece)))
				known -= n
				if err := w.write(piece[n:]); err != nil {
					return &diskError{fmt.Errorf("write: %w", err)}
				}
				if begins {
					known = 0
				}
			}
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if r.Buffered() == 0 || err != nil {
			if err := w.flush(); err != nil {
				return &diskError{fmt.Errorf("write: %w", err)}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// KubePods is Pods by a Kubernetes client.
type KubePods struct{ Client kubernetes.Interface }

// Stream implements Pods.
func (k KubePods) Stream(ctx context.Context, namespace, pod, container string, since *metav1.Time) (io.ReadCloser, error) {
	return k.Client.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{
		Container: container, Follow: true, Timestamps: true, SinceTime: since,
	}).Stream(ctx)
}

// Ended implements Pods.
func (k KubePods) Ended(ctx context.Context, namespace, pod, container string) (bool, error) {
	p, err := k.Client.CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return false, err
	}
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return true, nil
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container {
			return s.State.Terminated != nil, nil
		}
	}
	return false, nil
}
