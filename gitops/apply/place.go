package apply

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/gitops/watch"
)

// place is a cluster as one account sees it.
type place struct {
	// client acts as the account.
	client client.Client
	// reader sees health: the server's own eyes at home, the account's elsewhere.
	reader client.Reader
	// config of the account; of the server itself at home for logs and events.
	config *rest.Config
	// kube sees logs and events elsewhere, and patient waits as long as a watch takes.
	kube    kubernetes.Interface
	patient *http.Client
	remote  bool
	// account as namespace/name; empty elsewhere.
	account string
	// away is set while a cluster elsewhere does not answer.
	away *outage
}

// clientQPS of one account: the apiserver's fairness limits, not the client.
const (
	clientQPS   = 200
	clientBurst = 400
	// remoteTimeout of one request elsewhere, so that a cluster that does not answer
	// holds nobody up.
	remoteTimeout = 15 * time.Second
	maxOutage     = time.Minute
)

// place of a target; clients are kept.
func (a *Applier) place(ctx context.Context, t Target) (*place, error) {
	return a.placeFor(ctx, t, t.where())
}

// placeFor is the place for objects of a namespace that need not be where the target
// writes now.
func (a *Applier) placeFor(ctx context.Context, t Target, namespace string) (*place, error) {
	if t.Cluster != nil {
		return a.elsewhere(ctx, t)
	}
	home, account, err := a.identity(ctx, t, namespace)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := home + "/" + account
	if p, ok := a.places[key]; ok {
		return p, nil
	}
	c, err := a.connect(home, account)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", key, err)
	}
	p := &place{client: c, reader: a.reader, config: a.config, account: key}
	a.places[key] = p
	return p, nil
}

// elsewhere is the cluster of a kubeconfig. A kubeconfig that changes makes a new one.
func (a *Applier) elsewhere(ctx context.Context, t Target) (*place, error) {
	p, err := a.cluster(ctx, t)
	if err != nil {
		return nil, Lost(err)
	}
	return p, nil
}

func (a *Applier) cluster(ctx context.Context, t Target) (*place, error) {
	secret := &corev1.Secret{}
	err := a.reader.Get(ctx, types.NamespacedName{Namespace: t.Namespace, Name: t.Cluster.KubeconfigSecret}, secret)
	if apierrors.IsNotFound(err) {
		return nil, refuse("cluster: Secret %q does not exist; make it with the kubeconfig under the key \"kubeconfig\"", t.Cluster.KubeconfigSecret)
	}
	if err != nil {
		return nil, err
	}
	key := "\x00" + t.Namespace + "/" + secret.Name + "/" + t.Account
	version := string(secret.UID) + "/" + secret.ResourceVersion
	a.mu.Lock()
	p, ok := a.places[key]
	known := ok && a.versions[key] == version
	a.mu.Unlock()
	if known {
		return p, p.away.check()
	}
	config, err := Kubeconfig(secret, a.dial)
	if err != nil {
		return nil, err
	}
	if t.Account != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + t.where() + ":" + t.Account}
	}
	away := &outage{server: config.Host, now: time.Now}
	config.WrapTransport = away.wrap
	patient, err := httpClient(config)
	if err != nil {
		return nil, err
	}
	brief := *patient
	brief.Timeout = remoteTimeout
	c, err := client.New(config, client.Options{HTTPClient: &brief})
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	kube, err := kubernetes.NewForConfigAndClient(config, &brief)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	p = &place{client: c, reader: c, config: config, kube: kube, patient: patient, remote: true, away: away}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.places[key], a.versions[key] = p, version
	return p, nil
}

// Sight is how the pods, events and Secrets of a target elsewhere are looked at; at
// home it is nil, and the server looks itself.
func (a *Applier) Sight(ctx context.Context, t Target) (client.Reader, kubernetes.Interface, error) {
	if t.Cluster == nil {
		return nil, nil, nil
	}
	p, err := a.elsewhere(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	return p.reader, p.kube, nil
}

// Watched is where the objects of a target are, for who watches them.
func (a *Applier) Watched(ctx context.Context, t Target) (watch.Cluster, error) {
	if t.Cluster == nil {
		return watch.Cluster{Config: a.config, Mapper: a.mapper}, nil
	}
	p, err := a.elsewhere(ctx, t)
	if err != nil {
		return watch.Cluster{}, err
	}
	key := t.Namespace + "/" + t.Cluster.KubeconfigSecret + "/" + t.Account
	a.mu.Lock()
	version := a.versions["\x00"+key]
	a.mu.Unlock()
	// One who sees only a namespace is not refused what is in it.
	return watch.Cluster{
		Key: key + "@" + version + "/" + t.where(), Config: p.config, Client: p.patient, Mapper: p.client.RESTMapper(),
		Tenant: t.Namespace, Namespace: t.where(),
	}, nil
}

// outage remembers that a cluster does not answer, so that only every now and then
// somebody waits for it.
type outage struct {
	server string
	now    func() time.Time

	mu    sync.Mutex
	until time.Time
	pause time.Duration
	cause error
}

func (o *outage) check() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now().Before(o.until) {
		return fmt.Errorf("cluster %s does not answer: %w", o.server, o.cause)
	}
	return nil
}

func (o *outage) saw(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var network net.Error
	switch {
	case err == nil:
		o.until, o.pause, o.cause = time.Time{}, 0, nil
	case errors.As(err, &network):
		o.pause = min(max(2*o.pause, 2*time.Second), maxOutage)
		o.until, o.cause = o.now().Add(o.pause), err
	}
}
