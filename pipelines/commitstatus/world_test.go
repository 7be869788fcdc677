package commitstatus

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
)

const (
	commit = "18f3e63d05582537db6d183d9d557be09e1f90c8"
	secret = "planted-token"
)

// received is one request as the forge saw it.
type received struct {
	path   string
	header http.Header
	body   map[string]any
}

// forge stands in for one: it takes what is asked in the forge's documented form, or
// gives the answers that a test prepared.
type forge struct {
	*httptest.Server
	mu      sync.Mutex
	got     []received
	answers []func(http.ResponseWriter)
}

func newForge(t *testing.T) *forge {
	f := &forge{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		rec := received{path: r.Method + " " + r.URL.EscapedPath(), header: r.Header}
		if err := json.Unmarshal(text, &rec.body); err != nil {
			t.Errorf("body %q: %v", text, err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.got = append(f.got, rec)
		if len(f.answers) > 0 {
			answer := f.answers[0]
			f.answers = f.answers[1:]
			answer(w)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":1}`)
	}))
	t.Cleanup(f.Close)
	return f
}

// answer the next request like this.
func (f *forge) answer(code int, body string, header ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	})
}

// states that were asked for, in order.
func (f *forge) states() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.got {
		s, _ := r.body["state"].(string)
		out = append(out, s)
	}
	return out
}

type world struct {
	t *testing.T
	client.Client
	*forge
	reporter *Reporter
	events   *events.FakeRecorder
	clock    time.Time
}

func newWorld(t *testing.T, kind string) *world {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, clientgoscheme.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, forge: newForge(t), clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	u, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.Client = fake.NewClientBuilder().WithScheme(s).WithStatusSubresource(&v1alpha1.Run{}, &v1alpha1.Repository{}).WithObjects(
		&v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop", UID: "u", Generation: 1}, Spec: v1alpha1.RepositorySpec{
			URL: w.URL + "/acme/shop.git", Forge: &v1alpha1.Forge{Kind: kind, TokenSecret: "forge"},
		}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "forge", Annotations: map[string]string{v1alpha1.AnnotationHost: u.Host}},
			Data: map[string][]byte{"token": []byte(secret + "\n")}},
	).Build()
	w.restart()
	return w
}

// restart the server: what it had in memory is gone.
func (w *world) restart() {
	w.events = events.NewFakeRecorder(100)
	w.reporter = &Reporter{
		Client: w.Client, HTTP: w.Server.Client(), ServerURL: "https://slipway.example", Log: slog.New(slog.DiscardHandler),
		Events: w.events, Now: func() time.Time { return w.clock },
	}
}

// run in a phase; it is made where there is none.
func (w *world) run(name string, phase v1alpha1.Phase, change ...func(*v1alpha1.Run)) {
	w.t.Helper()
	run := &v1alpha1.Run{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "default", Name: name}, run); err != nil {
		run = &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{v1alpha1.LabelRepository: "shop"}},
			Spec: v1alpha1.RunSpec{Repository: "shop", Commit: commit, Ref: "refs/heads/main", Sequence: 1}}
		for _, c := range change {
			c(run)
		}
		if err := w.Create(w.t.Context(), run); err != nil {
			w.t.Fatal(err)
		}
	}
	run.Status.Phase = phase
	begun, ended := metav1.NewMicroTime(w.clock.Add(-65*time.Second)), metav1.NewMicroTime(w.clock)
	run.Status.StartedAt, run.Status.FinishedAt = &begun, nil
	if phase.Finished() {
		run.Status.FinishedAt = &ended
	}
	for _, c := range change {
		c(run)
	}
	if err := w.Status().Update(w.t.Context(), run); err != nil {
		w.t.Fatal(err)
	}
}

// look at a run once.
func (w *world) look(name string) ctrl.Result {
	w.t.Helper()
	res, err := w.reporter.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: name}})
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// wait as the queue does, then look again.
func (w *world) again(name string, r ctrl.Result) ctrl.Result {
	w.t.Helper()
	if r.RequeueAfter <= 0 {
		w.t.Fatalf("run %s is not tried again", name)
	}
	w.clock = w.clock.Add(r.RequeueAfter)
	return w.look(name)
}

func (w *world) condition() metav1.Condition {
	w.t.Helper()
	repo := &v1alpha1.Repository{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "default", Name: "shop"}, repo); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range repo.Status.Conditions {
		if c.Type == Condition {
			return c
		}
	}
	return metav1.Condition{}
}

// change the Repository as a person does.
func (w *world) change(f func(*v1alpha1.Repository)) {
	w.t.Helper()
	repo := &v1alpha1.Repository{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "default", Name: "shop"}, repo); err != nil {
		w.t.Fatal(err)
	}
	f(repo)
	repo.Generation++
	if err := w.Update(w.t.Context(), repo); err != nil {
		w.t.Fatal(err)
	}
}

// said are all events.
func (w *world) said() string {
	var all []string
	for {
		select {
		case e := <-w.events.Events:
			all = append(all, e)
		default:
			return strings.Join(all, "\n")
		}
	}
}
