package netpol

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/knftables"

	"slipway.dev/cluster/netpol/arrival"
	"slipway.dev/cluster/node/layout"
)

// broken is nftables that may fail.
type broken struct {
	knftables.Interface
	fails atomic.Bool
	runs  atomic.Int32
}

func (b *broken) Run(ctx context.Context, tx *knftables.Transaction) error {
	b.runs.Add(1)
	if b.fails.Load() {
		return errors.New("no nftables today")
	}
	return b.Interface.Run(ctx, tx)
}

// world is a controller with an API server and a kernel that are in memory.
type world struct {
	t      *testing.T
	api    *fake.Clientset
	kernel *knftables.Fake
	nft    *broken
	c      *Controller
	events *events.FakeRecorder
	stop   func()
	path   string // of the socket
}

func start(t *testing.T) *world {
	w := &world{t: t, api: fake.NewClientset(), kernel: knftables.NewFake(knftables.IPv4Family, layout.PolicyTable), events: events.NewFakeRecorder(10)}
	w.nft = &broken{Interface: w.kernel}
	w.namespace("shop")
	w.path = filepath.Join(t.TempDir(), "s")
	w.run()
	return w
}

func (w *world) run() {
	var err error
	w.c, err = New(Config{Client: w.api, Node: "here", Socket: w.path, Events: w.events, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	w.must(err)
	w.c.open = func() (*table, error) { return &table{nft: w.nft}, nil }
	w.c.patience = 300 * time.Millisecond
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error)
	c := w.c
	go func() { ended <- c.Run(ctx) }()
	stopped := false
	w.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			w.must(<-ended)
		}
	}
	w.t.Cleanup(w.stop)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) namespace(name string) {
	_, err := w.api.CoreV1().Namespaces().Create(w.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	w.must(err)
}

func (w *world) policy(name string, spec networkingv1.NetworkPolicySpec) {
	_, err := w.api.NetworkingV1().NetworkPolicies("shop").Create(w.t.Context(), &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}, Spec: spec}, metav1.CreateOptions{})
	w.must(err)
}

func (w *world) forget(name string) {
	w.must(w.api.NetworkingV1().NetworkPolicies("shop").Delete(w.t.Context(), name, metav1.DeleteOptions{}))
}

// pod of the node, with an address in its status or none.
func (w *world) pod(name, app, addr string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name), Labels: map[string]string{"app": app}}, Spec: corev1.PodSpec{NodeName: "here"}}
	if addr != "" {
		p.Status.PodIPs = []corev1.PodIP{{IP: addr}}
	}
	_, err := w.api.CoreV1().Pods("shop").Create(w.t.Context(), p, metav1.CreateOptions{})
	w.must(err)
	return p
}

func (w *world) tell(name, addr string) error {
	return arrival.Tell(w.t.Context(), w.path, arrival.Pod{Namespace: "shop", Name: name, UID: name, Addr: netip.MustParseAddr(addr)})
}

// limited are the addresses that the kernel limits for what comes in.
func (w *world) limited() (out []string) {
	elements, err := w.nft.ListElements(w.t.Context(), "map", inMap)
	if err != nil && !knftables.IsNotFound(err) {
		w.t.Fatal(err)
	}
	for _, e := range elements {
		out = append(out, e.Key[0])
	}
	slices.Sort(out)
	return out
}

func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("not so: %s; the kernel has\n%s", what, w.kernel.Dump())
		}
	}
}

func (w *world) becomes(want ...string) {
	w.t.Helper()
	w.eventually("limited are "+strings.Join(want, " "), func() bool { return slices.Equal(w.limited(), want) })
}

// gone says whether the kernel has no table.
func (w *world) gone() bool {
	_, err := w.nft.List(w.t.Context(), "chains")
	return knftables.IsNotFound(err)
}

func (w *world) socket() bool {
	_, err := os.Lstat(w.path)
	return err == nil
}

var web = networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, PolicyTypes: []networkingv1.PolicyType{"Ingress"}}

func TestNothingWithoutPolicies(t *testing.T) {
	w := start(t)
	w.pod("web-1", "web", "10.42.0.2")
	w.eventually("a pass", func() bool { return w.nft.runs.Load() > 0 })
	if err := w.tell("web-1", "10.42.0.2"); err != nil || w.socket() {
		t.Errorf("%v, socket %t", err, w.socket())
	}
	for _, a := range w.api.Actions() {
		if a.GetVerb() != "create" && a.GetResource().Resource == "pods" {
			t.Errorf("pods are asked for: %v", a)
		}
	}
	w.policy("web", web)
	w.becomes("10.42.0.2")
	w.eventually("the socket is there", w.socket)
	w.forget("web")
	w.eventually("nothing is left", func() bool { return w.gone() && !w.socket() })
	w.policy("web", web)
	w.becomes("10.42.0.2")
}

// TestPodsComeAndGo: by the word of the plugin at once, by their status later, and they
// leave nothing.
func TestPodsComeAndGo(t *testing.T) {
	w := start(t)
	w.policy("web", web)
	w.eventually("the socket is there", w.socket)
	p := w.pod("web-1", "web", "")
	w.must(w.tell("web-1", "10.42.0.2"))
	if got := w.limited(); !slices.Equal(got, []string{"10.42.0.2"}) {
		t.Fatalf("told of, answered, and limited are %v", got)
	}
	w.pod("other", "other", "")
	w.must(w.tell("other", "10.42.0.3")) // nobody limits it
	// Its sandbox is made anew, with another address, before its status has the first.
	w.must(w.tell("web-1", "10.42.0.4"))
	w.becomes("10.42.0.4")
	p.Status.PodIPs = []corev1.PodIP{{IP: "10.42.0.4"}}
	_, err := w.api.CoreV1().Pods("shop").UpdateStatus(t.Context(), p, metav1.UpdateOptions{})
	w.must(err)
	w.eventually("the status has it", func() bool {
		w.c.arrivals.mu.Lock()
		defer w.c.arrivals.mu.Unlock()
		return w.c.arrivals.pods[types.NamespacedName{Namespace: "shop", Name: "web-1"}] == nil
	})
	w.becomes("10.42.0.4")
	// Its address is another's, while its status still names it.
	w.pod("web-2", "other", "")
	w.must(w.tell("web-2", "10.42.0.4"))
	w.becomes()
	w.must(w.api.CoreV1().Pods("shop").Delete(t.Context(), "web-2", metav1.DeleteOptions{}))
	w.becomes("10.42.0.4")
	w.must(w.api.CoreV1().Pods("shop").Delete(t.Context(), "web-1", metav1.DeleteOptions{}))
	w.eventually("nothing is limited", func() bool { return w.gone() })
	// A pod that is none is not let start.
	if err := w.tell("nobody", "10.42.0.9"); err == nil || !strings.Contains(err.Error(), "not in force yet") {
		t.Error(err)
	}
}

// TestBrokenKernel: where rules can not be written, pods that they limit do not start,
// others do, and it goes on when they can.
func TestBrokenKernel(t *testing.T) {
	w := start(t)
	w.policy("web", web)
	w.eventually("the socket is there", w.socket)
	w.nft.fails.Store(true)
	w.pod("web-1", "web", "")
	w.pod("other", "other", "")
	if err := w.tell("web-1", "10.42.0.2"); err == nil {
		t.Error("a pod starts without its policies")
	}
	w.must(w.tell("other", "10.42.0.3"))
	w.pod("web-2", "web", "10.42.0.4")
	w.eventually("it is said", func() bool { return w.c.State().Err != nil })
	w.nft.fails.Store(false)
	w.must(w.tell("web-1", "10.42.0.2"))
	w.becomes("10.42.0.2", "10.42.0.4")
	w.eventually("it is said no more", func() bool { return w.c.State() == State{Policies: 1, Limited: 2} })
}

// TestRestart: what is in force stays in force, and pods that start meanwhile wait.
func TestRestart(t *testing.T) {
	w := start(t)
	w.policy("web", web)
	w.pod("web-1", "web", "10.42.0.2")
	w.becomes("10.42.0.2")
	w.eventually("the socket is there", w.socket)
	w.stop()
	if !slices.Equal(w.limited(), []string{"10.42.0.2"}) || !w.socket() {
		t.Fatal("a stop takes away what is in force")
	}
	w.pod("web-2", "web", "")
	told := make(chan error)
	go func() { told <- w.tell("web-2", "10.42.0.3") }()
	w.run()
	w.must(<-told)
	w.becomes("10.42.0.2", "10.42.0.3")
	w.stop()
	w.must(w.api.NetworkingV1().NetworkPolicies("shop").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	w.run()
	w.eventually("nothing is left", func() bool { return w.gone() && !w.socket() })
}

func TestProblemsAreSaidOnce(t *testing.T) {
	w := start(t)
	spec := *web.DeepCopy()
	spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "2001:db8::/32"}}}}}
	w.policy("six", spec)
	if got := <-w.events.Events; !strings.Contains(got, "Warning NotEnforceable ipBlock 2001:db8::/32") {
		t.Error(got)
	}
	w.pod("web-1", "web", "10.42.0.2")
	w.becomes("10.42.0.2")
	select {
	case again := <-w.events.Events:
		t.Error(again)
	default:
	}
}
