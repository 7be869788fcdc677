package release

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	kubefake "k8s.io/client-go/kubernetes/fake"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/render"
	"slipway.dev/gitops/watch"
	"slipway.dev/registry/artifacts"
)

// world is a cluster, a repository and a clock in memory. The commit's name says
// how it behaves: see cluster.
type world struct {
	t       *testing.T
	client  client.WithWatch
	r       *Reconciler
	cluster *cluster
	now     time.Time
	// failAt is the write that fails as if the server were killed before it; 0: none.
	failAt, writes int
}

var errKilled = errors.New("killed")

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	w := &world{t: t, now: time.Now().Truncate(time.Microsecond), cluster: &cluster{
		health: map[string]string{}, hooks: map[string]*hook{}, result: map[string]string{}, confirm: map[string]bool{},
	}}
	kill := func() error {
		w.writes++
		if w.writes == w.failAt {
			return errKilled
		}
		return nil
	}
	w.client = interceptor.NewClient(fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.Application{}, &v1alpha1.Release{}, &v1alpha1.Repository{}, &v1alpha1.Promotion{}).
		WithIndex(&v1alpha1.Application{}, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} }).
		WithIndex(&v1alpha1.Application{}, indexNeeds, needsOf).
		WithIndex(&v1alpha1.Release{}, indexReleases, applicationOf).
		Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := kill(); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if err := kill(); err != nil {
				return err
			}
			return c.Update(ctx, o, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			if err := kill(); err != nil {
				return err
			}
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
	})
	w.cluster.kill, w.cluster.sight = kill, w.client
	w.r = &Reconciler{
		Client: w.client, Reader: w.client, Pods: kubefake.NewClientset(), Source: repository{}, Renderer: renderer{}, Applier: w.cluster,
		Store: &Store{Sets: &sets{content: map[string][]byte{}}, Client: w.client, Reader: w.client},
		Log:   slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now }, laps: &laps{},
	}
	return w
}

func (w *world) reconcile() (ctrl.Result, error) {
	return w.r.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "hello"}})
}

// settle reconciles until nothing changes.
func (w *world) settle() {
	w.t.Helper()
	for range 30 {
		before := w.writes
		_, err := w.reconcile()
		if err == nil && w.writes == before {
			return
		}
		if err != nil && !errors.Is(err, errKilled) {
			require.NoError(w.t, err)
		}
	}
	w.t.Fatal("never settles")
}

// pass lets time go by, in which the application is looked at as it asks to be.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(min(backstop, end.Sub(w.now)))
		_, err := w.reconcile()
		require.NoError(w.t, err)
	}
}

func (w *world) app() *v1alpha1.Application {
	w.t.Helper()
	app := &v1alpha1.Application{}
	require.NoError(w.t, w.client.Get(context.Background(), types.NamespacedName{Namespace: "default", Name: "hello"}, app))
	return app
}

func (w *world) release(n int64) *v1alpha1.Release {
	w.t.Helper()
	rel := &v1alpha1.Release{}
	require.NoError(w.t, w.client.Get(context.Background(), types.NamespacedName{Namespace: "default", Name: Name("hello", n)}, rel))
	return rel
}

// desire writes a desired value as a deploy job does.
func (w *world) desire(commit string, sequence int64) {
	w.t.Helper()
	d := &Deployer{Client: w.client}
	require.NoError(w.t, d.Deploy(context.Background(), "default", "hello", v1alpha1.Source{Repository: "hello"},
		v1alpha1.Desired{Commit: commit, Sequence: sequence, Run: "run-" + commit}))
}

func (w *world) spec(change func(*v1alpha1.ApplicationSpec)) {
	w.t.Helper()
	app := w.app()
	change(&app.Spec)
	require.NoError(w.t, w.client.Update(context.Background(), app))
}

// repository has every commit.
type repository struct{}

func (repository) Checkout(context.Context, string, string, string, string, string) error { return nil }
func (repository) Commit(_ context.Context, _, _, commit string) (string, string, time.Time, error) {
	return "subject of " + commit, "author", time.Now().Add(-time.Minute), nil
}

// renderer gives one ConfigMap named after the commit, which it learns from the
// image digest that the tests do not use; the tree is empty.
type renderer struct{ set string }

func (renderer) Inputs(context.Context, *v1alpha1.Application) (*v1alpha1.Inputs, error) {
	return nil, nil
}

func (r renderer) Render(_ context.Context, app *v1alpha1.Application, _ v1alpha1.Desired) (*render.Set, error) {
	if app.Spec.Source.Path == "bad" {
		return nil, &render.Error{File: "deploy/a.yaml", Line: 3, Message: "did not find expected node content"}
	}
	set := r.set
	if set == "" {
		set = "v1"
	}
	return render.NewSet([]*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": set, "namespace": destination(app)},
	}}})
}

// cluster says of each set how it ends, by the names of its objects.
type cluster struct {
	mu      sync.Mutex
	kill    func() error
	applied []string
	pruned  []string
	left    []string
	// health of an object by name: Current unless said.
	health map[string]string
	refuse string
	// lost says that what is refused is the way there, which is known only when it is tried.
	lost bool
	// sight of what is in it.
	sight client.Reader
	// drifted objects by name, and the fields that differ.
	drifted map[string][]string
	taken   []v1alpha1.FieldConflict
	// hooks that exist, and which were made, in turn, as "release/name".
	hooks map[string]*hook
	made  []string
	// result of hooks by name: succeeds at once unless said "runs" or "fails".
	result map[string]string
	// confirm and keep are objects that are not simply pruned.
	confirm map[string]bool
	config  string
	away    error
}

// hook is the object of one.
type hook struct {
	uid, run string
	held     bool
}

func (c *cluster) Check(_ context.Context, _ apply.Target, objects []*unstructured.Unstructured) ([]v1alpha1.FieldConflict, error) {
	switch {
	case c.refuse != "" && c.lost:
		return nil, apply.Lost(&apply.Refusal{Message: c.refuse})
	case c.refuse != "":
		return nil, &apply.Refusal{Message: c.refuse}
	}
	return c.taken, c.away
}

func (c *cluster) Apply(_ context.Context, t apply.Target, objects []*unstructured.Unstructured) ([]v1alpha1.ObjectReference, error) {
	if err := c.kill(); err != nil {
		return nil, err
	}
	if c.away != nil {
		return nil, c.away
	}
	refs := apply.Inventory(objects)
	for i, o := range objects {
		c.applied = append(c.applied, o.GetName())
		delete(c.drifted, o.GetName())
		if c.health[o.GetName()] == "NotFound" {
			delete(c.health, o.GetName())
		}
		refs[i].Owned = "ours"
	}
	return refs, nil
}

func (c *cluster) Prune(_ context.Context, _ apply.Target, gone []v1alpha1.ObjectReference, why apply.Why) ([]v1alpha1.ObjectReference, error) {
	if len(gone) > 0 {
		if err := c.kill(); err != nil {
			return nil, err
		}
	}
	var extra []v1alpha1.ObjectReference
	for _, g := range gone {
		switch {
		case why == apply.Kept:
			g.Extra = apply.ExtraKept
			extra = append(extra, g)
		case why == apply.Left && c.confirm[g.Name]:
			g.Extra = apply.ExtraConfirm
			extra = append(extra, g)
		default:
			c.pruned = append(c.pruned, g.Name)
			delete(c.hooks, g.Name)
		}
	}
	return extra, c.away
}

func (c *cluster) Orphan(_ context.Context, _ apply.Target, refs []v1alpha1.ObjectReference) error {
	for _, g := range refs {
		c.left = append(c.left, g.Name)
	}
	return c.away
}

func (c *cluster) Health(_ context.Context, _ apply.Target, refs []v1alpha1.ObjectReference) (now, drifted []v1alpha1.ObjectReference, err error) {
	out := append([]v1alpha1.ObjectReference(nil), refs...)
	for i := range out {
		out[i].Health, out[i].Message = "Current", ""
		if h := c.health[out[i].Name]; h != "" {
			out[i].Health, out[i].Message = h, "not ready"
		}
		if _, ok := c.drifted[out[i].Name]; ok {
			drifted = append(drifted, out[i])
		}
	}
	return out, drifted, c.away
}

func (c *cluster) Addresses(context.Context, apply.Target, []v1alpha1.ObjectReference) ([]string, error) {
	return []string{"http://10.41.0.1:30080"}, nil
}

func (c *cluster) Tree(context.Context, apply.Target, []v1alpha1.ObjectReference, []v1alpha1.ObjectReference) ([]apply.Node, error) {
	return nil, nil
}

func (c *cluster) Live(context.Context, apply.Target, v1alpha1.ObjectReference) (string, error) {
	return "", nil
}

func (c *cluster) Diff(_ context.Context, _ apply.Target, objects []*unstructured.Unstructured, _ []v1alpha1.ObjectReference) ([]apply.Change, error) {
	var out []apply.Change
	for _, o := range objects {
		change := apply.Change{Object: apply.Inventory([]*unstructured.Unstructured{o})[0], Action: apply.Unchanged}
		switch fields, drifted := c.drifted[o.GetName()]; {
		case c.health[o.GetName()] == "NotFound":
			change.Action = apply.Created
		case drifted && len(fields) > 0:
			change.Action, change.Fields, change.Managers = apply.Configured, fields, []string{"somebody"}
		case c.drifted == nil:
			change = apply.Change{Action: apply.Configured, Diff: "+ token: planted-value\n"}
		}
		out = append(out, change)
	}
	return out, nil
}

func (c *cluster) StartHook(_ context.Context, t apply.Target, h apply.Hook) (string, error) {
	if err := c.kill(); err != nil {
		return "", err
	}
	name, run := h.Object.GetName(), fmt.Sprint(t.Release, "/", h.Phase)
	if there := c.hooks[name]; there != nil && there.run == run {
		return there.uid, nil
	}
	c.made = append(c.made, fmt.Sprint(t.Release, "/", name))
	c.hooks[name] = &hook{uid: fmt.Sprint("uid-", len(c.made)), run: run, held: true}
	return c.hooks[name].uid, nil
}

func (c *cluster) Hook(_ context.Context, _ apply.Target, ref v1alpha1.ObjectReference, uid string) (done, succeeded bool, message string, err error) {
	there := c.hooks[ref.Name]
	if there == nil || there.uid != uid {
		return true, false, "was deleted before it had finished", nil
	}
	switch c.result[ref.Name] {
	case "runs":
		return false, false, "Job runs", c.away
	case "fails":
		return true, false, "Job failed", c.away
	}
	return true, true, "Job completed", c.away
}

func (c *cluster) DropHook(_ context.Context, _ apply.Target, ref v1alpha1.ObjectReference, uid string, remove bool) error {
	if err := c.kill(); err != nil {
		return err
	}
	if there := c.hooks[ref.Name]; there != nil && (uid == "" || there.uid == uid) {
		there.held = false
		if remove {
			delete(c.hooks, ref.Name)
		}
	}
	return nil
}

func (c *cluster) References(context.Context, apply.Target, []*unstructured.Unstructured) ([]v1alpha1.ConfigReference, error) {
	return []v1alpha1.ConfigReference{{Kind: "ConfigMap", Name: "outside", Fingerprint: c.config}}, nil
}

func (c *cluster) Changed(_ context.Context, _ apply.Target, references []v1alpha1.ConfigReference) (bool, error) {
	return references[0].Fingerprint != c.config, nil
}

func (c *cluster) Reach(context.Context, apply.Target) error { return c.away }

func (c *cluster) Sight(context.Context, apply.Target) (client.Reader, kubernetes.Interface, error) {
	if c.away != nil || c.lost {
		return nil, nil, cmp.Or(c.away, apply.Lost(&apply.Refusal{Message: c.refuse}))
	}
	return c.sight, kubefake.NewClientset(), nil
}

func (c *cluster) Watched(context.Context, apply.Target) (watch.Cluster, error) {
	return watch.Cluster{}, nil
}

// sets keeps artifacts in memory.
type sets struct {
	mu      sync.Mutex
	content map[string][]byte
}

func (s *sets) Put(_ context.Context, repository, tag, _ string, r io.Reader) (string, int64, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content[repository+":"+tag] = data
	return "", int64(len(data)), nil
}

func (s *sets) Get(_ context.Context, repository, tag string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.content[repository+":"+tag]
	if !ok {
		return nil, artifacts.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (s *sets) Delete(_ context.Context, repository, tag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.content[repository+":"+tag]; !ok {
		return artifacts.ErrNotFound
	}
	delete(s.content, repository+":"+tag)
	return nil
}

func secret(name, value string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: map[string][]byte{"token": []byte(value)}}
}
