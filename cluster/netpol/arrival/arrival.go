// Package arrival owns the words that the CNI plugin and the enforcement of network
// policies exchange, so that no container of a pod starts before the pod's policies hold:
// the plugin tells of the pod's address and waits for the answer. It never judges
// anything, and where nobody enforces a policy there is no socket and nobody waits.
// Start at Tell and Serve.
package arrival

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Pod that has an address from now on.
type Pod struct {
	Namespace string     `json:"namespace"`
	Name      string     `json:"name"`
	UID       string     `json:"uid"`
	Addr      netip.Addr `json:"addr"`
}

type answer struct {
	Err string `json:"err,omitempty"`
}

// most that either side says.
const most = 16 << 10

// again is how soon a socket is tried anew that nobody listens at.
const again = 50 * time.Millisecond

// Tell returns nil when the pod's policies hold, or when there are none. While the server
// starts there may be a socket and nobody behind it: it waits for as long as ctx allows.
func Tell(ctx context.Context, socket string, p Pod) error {
	for {
		err := tell(ctx, socket, p)
		if err == nil {
			return nil
		}
		if _, gone := os.Lstat(socket); errors.Is(gone, fs.ErrNotExist) {
			return nil
		}
		var refused *net.OpError
		if !errors.As(err, &refused) {
			return fmt.Errorf("network policies: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("network policies: nobody who enforces them answers (%w); is the server running?", err)
		case <-time.After(again):
		}
	}
}

func tell(ctx context.Context, socket string, p Pod) error {
	if _, err := os.Lstat(socket); err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := json.NewEncoder(conn).Encode(p); err != nil {
		return err
	}
	var a answer
	if err := json.NewDecoder(io.LimitReader(conn, most)).Decode(&a); err != nil {
		return &net.OpError{Op: "read", Net: "unix", Err: err} // it went away meanwhile
	}
	if a.Err != "" {
		return errors.New(a.Err)
	}
	return nil
}

// Serve answers with what arrived returns, until the listener is closed; it returns when
// all that were asked have been answered. A question that lasts longer than limit ends.
func Serve(ctx context.Context, l net.Listener, limit time.Duration, arrived func(context.Context, Pod) error) {
	var asked sync.WaitGroup
	defer asked.Wait()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many files
			time.Sleep(again)
			continue
		}
		asked.Go(func() { serve(ctx, conn, limit, arrived) })
	}
}

func serve(ctx context.Context, conn net.Conn, limit time.Duration, arrived func(context.Context, Pod) error) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_ = conn.SetDeadline(time.Now().Add(limit + time.Second))
	p, err := parse(io.LimitReader(conn, most))
	if err == nil {
		err = arrived(ctx, p)
	}
	a := answer{}
	if err != nil {
		a.Err = err.Error()
	}
	_ = json.NewEncoder(conn).Encode(a)
}

// parse reads one pod.
func parse(r io.Reader) (p Pod, err error) {
	if err := json.NewDecoder(r).Decode(&p); err != nil {
		return p, fmt.Errorf("not a pod: %w", err)
	}
	if p.Namespace == "" || p.Name == "" || !p.Addr.Is4() {
		return p, errors.New("a pod has a namespace, a name and an IPv4 address")
	}
	return p, nil
}
