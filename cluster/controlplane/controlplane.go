package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"slipway.dev/cluster/etcd"
	"slipway.dev/cluster/inprocess"
)

// ControlPlane is a running control plane.
type ControlPlane struct {
	config  Config
	etcd    *etcd.Store
	unlock  func()
	failed  chan error
	parts   []*part        // in the order of starting
	store   sync.WaitGroup // what looks after etcd
	local   inprocess.Server
	stop    context.CancelFunc
	stopped sync.Once
}

// part is one component in its goroutine.
type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
}

// Start starts everything and returns when /readyz of the API server says ok. The
// controller manager and the scheduler start at the same time, and what they do is
// seen soon after. The components live until Stop; ctx bounds the start only.
func Start(ctx context.Context, config Config) (*ControlPlane, error) {
	c, err := config.complete()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.etcdDir(), 0o700); err != nil {
		return nil, fmt.Errorf("control plane: %w", err)
	}
	unlock, err := lock(c.etcdDir())
	if err != nil {
		return nil, fmt.Errorf("control plane: %w", err)
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &ControlPlane{config: c, unlock: unlock, failed: make(chan error, 1), stop: stop}
	if err := p.start(ctx, life); err != nil {
		p.Stop()
		return nil, fmt.Errorf("control plane: %w", err)
	}
	return p, nil
}

func (p *ControlPlane) start(ctx, life context.Context) error {
	c := p.config
	stopping.Store(false)
	logKubernetes(c.Log)
	if err := ensureEncryption(filepath.Join(c.PKI.Dir, "encryption.yaml"), c.etcdDir()); err != nil {
		return err
	}
	began := time.Now()
	type started struct {
		etcd *etcd.Store
		err  error
	}
	boot, near := make(chan started, 1), etcd.NewNear()
	go func() {
		e, err := etcd.Start(etcd.Config{
			Dir: c.etcdDir(), PKI: c.PKI, Port: c.EtcdPort, PeerPort: c.EtcdPeerPort, Quota: c.EtcdQuota, Near: near, Log: slog.New(quiet{c.Log.Handler()}),
		})
		boot <- started{e, err}
	}()
	apiserver, apiErr := prepareAPIServer(life, c, near)
	s := <-boot
	p.etcd = s.etcd
	if err := errors.Join(s.err, apiErr); err != nil {
		return err
	}
	p.store.Go(func() { p.etcd.Keep(life) })
	p.store.Go(func() {
		if err := p.etcd.Wait(life); err != nil {
			p.fail(err)
		}
	})
	p.run(life, "kube-apiserver", runAPIServer(apiserver, &p.local))
	if err := p.waitFor(ctx, "/livez"); err != nil {
		return err
	}
	c.Log.Debug("API server lives", "after", time.Since(began))
	p.run(life, "kube-controller-manager", runControllerManager(c, &p.local))
	p.run(life, "kube-scheduler", runScheduler(c))
	if err := p.waitFor(ctx, "/readyz"); err != nil {
		return err
	}
	c.Log.Info("control plane ready", "took", time.Since(began).Round(time.Millisecond), "port", c.APIPort)
	return nil
}

// run starts a component. When it ends before Stop, the control plane has failed.
func (p *ControlPlane) run(life context.Context, name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(life)
	t := &part{name: name, cancel: cancel, done: make(chan struct{})}
	p.parts = append(p.parts, t)
	go func() {
		defer close(t.done)
		err := f(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("ended without an error")
		}
		p.fail(fmt.Errorf("%s: %w", name, err))
	}()
}

func (p *ControlPlane) fail(err error) {
	select {
	case p.failed <- err:
	default: // the first failure is the cause of the others
	}
}

// Failed gives the error of the first component that ended by itself. The process
// should then exit: nothing here is restarted.
func (p *ControlPlane) Failed() <-chan error { return p.failed }

// Store is the API server's; do not close it.
func (p *ControlPlane) Store() *etcd.Store { return p.etcd }

// AdminConfig is a client configuration with every right, for the first objects.
func (p *ControlPlane) AdminConfig() (*rest.Config, error) {
	return clientcmd.BuildConfigFromFlags("", p.config.PKI.AdminKubeconfig)
}

const (
	partStop = 5 * time.Second
	// StopLimit is how long Stop takes at most: the three components, and etcd.
	StopLimit = 4 * partStop
)

// Stop ends the components in the reverse order of their start and waits for each.
// What runs on the nodes goes on.
func (p *ControlPlane) Stop() {
	p.stopped.Do(func() {
		stopping.Store(true)
		for i := len(p.parts) - 1; i >= 0; i-- {
			t := p.parts[i]
			t.cancel()
			select {
			case <-t.done:
			case <-time.After(partStop): // watches of clients that are slow to go
				p.config.Log.Warn("component did not stop in time", "component", t.name)
			}
		}
		p.stop()
		p.store.Wait()
		if p.etcd != nil {
			p.etcd.Close()
		}
		p.unlock()
	})
}
