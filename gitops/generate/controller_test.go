package generate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/addons"
	"slipway.dev/cluster/api/v1alpha1"
)

type world struct {
	t      *testing.T
	client client.Client
	c      *Controller
	spaces *spaces
	dirs   map[string][]string
}

// spaces keeps namespaces as plain objects; those in stuck do not go.
type spaces struct {
	client client.Client
	stuck  map[string]bool
	fail   error
	made   []addons.Preview
}

func (s *spaces) Ensure(ctx context.Context, p addons.Preview) error {
	if s.fail != nil {
		return s.fail
	}
	s.made = append(s.made, p)
	err := s.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: p.Name, Labels: map[string]string{v1alpha1.LabelPreviewOf: p.Tenant, v1alpha1.LabelApplicationSet: p.Set},
		Annotations: map[string]string{v1alpha1.AnnotationPreviewFor: p.Application}, Finalizers: finalizersOf(s.stuck[p.Name]),
	}})
	return client.IgnoreAlreadyExists(err)
}

func finalizersOf(stuck bool) []string {
	if stuck {
		return []string{"example.com/never"}
	}
	return nil
}

func (s *spaces) Remove(ctx context.Context, _, name string) error {
	return client.IgnoreNotFound(s.client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
}

func (w *world) Directories(_ context.Context, _, _, commit string) ([]string, error) {
	dirs, ok := w.dirs[commit]
	if !ok {
		return nil, errors.New("not read")
	}
	return dirs, nil
}

func newWorld(t *testing.T, spec v1alpha1.ApplicationSetSpec) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	spec.Repository = "shop"
	c := fake.NewClientBuilder().WithScheme(scheme).
		WithStatusSubresource(&v1alpha1.ApplicationSet{}, &v1alpha1.Application{}, &v1alpha1.Repository{}).
		WithObjects(
			&v1alpha1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "set", UID: "set"}, Spec: spec},
			&v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}, Status: v1alpha1.RepositoryStatus{DefaultBranch: "main"}},
		).Build()
	w := &world{t: t, client: c, spaces: &spaces{client: c, stuck: map[string]bool{}}, dirs: map[string][]string{}}
	w.c = &Controller{Client: c, Reader: c, Source: w, Spaces: w.spaces, Log: slog.New(slog.DiscardHandler)}
	return w
}

// refs of the repository, "name=commit" each.
func (w *world) refs(refs ...string) {
	w.t.Helper()
	repo := &v1alpha1.Repository{}
	require.NoError(w.t, w.client.Get(context.Background(), types.NamespacedName{Namespace: "default", Name: "shop"}, repo))
	repo.Status.Refs = map[string]v1alpha1.RefStatus{}
	for i, r := range refs {
		name, commit, _ := strings.Cut(r, "=")
		repo.Status.Refs["refs/heads/"+name] = v1alpha1.RefStatus{Commit: commit, Sequence: int64(i + 1)}
	}
	require.NoError(w.t, w.client.Status().Update(context.Background(), repo))
}

func (w *world) requests(list ...v1alpha1.MergeRequest) {
	w.t.Helper()
	repo := &v1alpha1.Repository{}
	require.NoError(w.t, w.client.Get(context.Background(), types.NamespacedName{Namespace: "default", Name: "shop"}, repo))
	repo.Status.MergeRequests = list
	require.NoError(w.t, w.client.Status().Update(context.Background(), repo))
}

func (w *world) settle() *v1alpha1.ApplicationSet {
	w.t.Helper()
	for range 6 {
		_, err := w.c.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "set"}})
		require.NoError(w.t, err)
	}
	set := &v1alpha1.ApplicationSet{}
	require.NoError(w.t, client.IgnoreNotFound(w.client.Get(context.Background(), types.NamespacedName{Namespace: "default", Name: "set"}, set)))
	return set
}

// apps by name, each as "branch path namespace sync commit".
func (w *world) apps() map[string]*v1alpha1.Application {
	w.t.Helper()
	list := &v1alpha1.ApplicationList{}
	require.NoError(w.t, w.client.List(context.Background(), list))
	out := map[string]*v1alpha1.Application{}
	for i := range list.Items {
		out[list.Items[i].Name] = &list.Items[i]
	}
	return out
}

func (w *world) names() string {
	w.t.Helper()
	var names []string
	for n := range w.apps() {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (w *world) namespaces() string {
	w.t.Helper()
	list := &corev1.NamespaceList{}
	require.NoError(w.t, w.client.List(context.Background(), list))
	var names []string
	for _, n := range list.Items {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// shown is the status in one line each.
func shown(set *v1alpha1.ApplicationSet) string {
	var out []string
	for _, a := range set.Status.Applications {
		out = append(out, fmt.Sprintf("%s/%s/%s", a.Name, a.Phase, a.Message))
	}
	return strings.Join(out, "\n")
}

func raw(text string) runtime.RawExtension { return runtime.RawExtension{Raw: []byte(text)} }

func branches(g v1alpha1.BranchGenerator) []v1alpha1.Generator {
	return []v1alpha1.Generator{{Branches: &g}}
}

func TestPreviewPerBranch(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, v1alpha1.ApplicationSetSpec{
		Generators: branches(v1alpha1.BranchGenerator{Exclude: []string{"wip/*"}}),
		Template: v1alpha1.ApplicationTemplate{
			Name: "shop-{{branch.slug}}", Labels: map[string]string{"team": "{{branch.slug}}"},
			Spec: raw(`{"source":{"path":"deploy"},"healthDeadline":"1m"}`), Preview: &v1alpha1.Preview{},
		},
	})
	w.refs("main=c1", "feature/A=c2", "wip/x=c3")
	set := w.settle()
	ns := PreviewNamespace("default", "set", "shop-feature-a")
	require.Equal(t, "shop-feature-a", w.names())
	require.Equal(t, ns, w.namespaces())
	app := w.apps()["shop-feature-a"]
	require.Equal(t, "shop feature/A deploy push "+ns, strings.Join([]string{app.Spec.Source.Repository, app.Spec.Source.Branch, app.Spec.Source.Path, app.Spec.Sync, app.Spec.Namespace}, " "))
	require.Equal(t, "feature-a", app.Labels["team"])
	require.Equal(t, "set", app.Labels[v1alpha1.LabelApplicationSet])
	require.Equal(t, "refs/heads/feature/A", app.Annotations[v1alpha1.AnnotationRef])
	require.Equal(t, "30", w.spaces.made[0].Quota.Pods().String())
	require.False(t, w.spaces.made[0].Untrusted)
	require.Equal(t, 1, set.Status.Count)
	require.Equal(t, v1alpha1.GeneratedRunning, set.Status.Applications[0].Phase)

	// What people and pushes write stays when the template changes; addresses are shown.
	app.Spec.Desired, app.Spec.Pin = &v1alpha1.Desired{Commit: "c2"}, 1
	require.NoError(t, w.client.Update(ctx, app))
	app.Status.Addresses, app.Status.Health = []string{"http://10.0.0.1:30001"}, "Healthy"
	require.NoError(t, w.client.Status().Update(ctx, app))
	set.Spec.Template.Spec = raw(`{"source":{"path":"other"}}`)
	require.NoError(t, w.client.Update(ctx, set))
	set = w.settle()
	app = w.apps()["shop-feature-a"]
	require.Equal(t, "other c2 1", fmt.Sprint(app.Spec.Source.Path, " ", app.Spec.Desired.Commit, " ", app.Spec.Pin))
	require.Nil(t, app.Spec.HealthDeadline)
	require.Equal(t, []string{"http://10.0.0.1:30001"}, set.Status.Applications[0].Addresses)
	require.Equal(t, "c2", set.Status.Applications[0].Commit)

	// The branch goes, and with it the application and then its namespace.
	app.Finalizers = []string{"example.com/prune"}
	require.NoError(t, w.client.Update(ctx, app))
	w.refs("main=c1", "fix=c4")
	set = w.settle()
	require.Contains(t, shown(set), "shop-feature-a/Removing/its objects are being removed")
	require.Contains(t, w.namespaces(), ns, "the namespace waits for what prunes in it")
	app = w.apps()["shop-feature-a"]
	app.Finalizers = nil
	require.NoError(t, w.client.Update(ctx, app))
	set = w.settle()
	require.Equal(t, "shop-fix", w.names())
	require.Equal(t, PreviewNamespace("default", "set", "shop-fix"), w.namespaces())
	require.Len(t, set.Status.Applications, 1)

	// With the set go all of them.
	require.NoError(t, w.client.Delete(ctx, set))
	w.settle()
	require.Empty(t, w.names()+w.namespaces())
}

func TestNothingIsTakenAwayBecauseNothingIsSeen(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, v1alpha1.ApplicationSetSpec{
		Generators: []v1alpha1.Generator{{Directories: &v1alpha1.DirectoryGenerator{Include: []string{"apps/*"}, Exclude: []string{"apps/old*"}}}},
		Template:   v1alpha1.ApplicationTemplate{Name: "{{directory.name.slug}}", Spec: raw(`{}`)},
	})
	w.dirs["c1"] = []string{".", "apps/Web", "apps/api", "apps/api/overlays/prod", "apps/old-one", "docs"}
	w.refs("main=c1")
	set := w.settle()
	require.Equal(t, "api web", w.names())
	require.Equal(t, "apps/Web", w.apps()["web"].Spec.Source.Path)
	require.Empty(t, w.namespaces(), "no preview")
	require.Equal(t, 2, set.Status.Count)

	blind := func(why string) {
		t.Helper()
		set := w.settle()
		require.Equal(t, "api web", w.names())
		require.Equal(t, metav1.ConditionFalse, set.Status.Conditions[0].Status)
		require.Contains(t, set.Status.Conditions[0].Message, why+"; what was made stays")
		require.Equal(t, 2, set.Status.Count)
	}
	w.refs("main=c2") // whose tree cannot be read now
	blind("not read")
	w.refs("other=c2")
	blind(`branch "main" of repository shop has no commit`)
	w.refs()
	blind("nothing has been seen of repository shop yet")
	require.NoError(t, w.client.Delete(ctx, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}))
	blind("repository shop does not exist")

	require.NoError(t, w.client.Create(ctx, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}))
	repo := &v1alpha1.Repository{}
	require.NoError(t, w.client.Get(ctx, types.NamespacedName{Namespace: "default", Name: "shop"}, repo))
	repo.Status = v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c3", Sequence: 3}}}
	require.NoError(t, w.client.Status().Update(ctx, repo))
	w.dirs["c3"] = []string{"apps/api"}
	w.settle()
	require.Equal(t, "api", w.names())
}

// Threat 12: what a fork wrote is shown only when that was allowed, commit by commit, in
// a namespace of its own, with nothing of the tenant's.
func TestPreviewPerMergeRequest(t *testing.T) {
	ctx := context.Background()
	own := v1alpha1.MergeRequest{Number: 7, Source: "feature", Target: "main", Commit: "c7", Sequence: 7, Author: "ann", State: "opened"}
	fork := v1alpha1.MergeRequest{Number: 8, Source: "main", Target: "main", Commit: "c8", Sequence: 8, Author: "eve", State: "opened", Fork: true}
	elsewhere := v1alpha1.MergeRequest{Number: 9, Source: "x", Target: "release/1", Commit: "c9", Sequence: 9, State: "opened"}
	late := v1alpha1.MergeRequest{Number: 10, Source: "y", Target: "main", State: "opened"}
	w := newWorld(t, v1alpha1.ApplicationSetSpec{
		Generators: []v1alpha1.Generator{{MergeRequests: &v1alpha1.MergeRequestGenerator{Targets: []string{"main"}}}},
		Template:   v1alpha1.ApplicationTemplate{Name: "pr-{{number}}", Spec: raw(`{}`), Preview: &v1alpha1.Preview{}},
	})
	w.refs("main=c1")
	w.requests(own, fork, elsewhere, late)
	set := w.settle()
	require.Equal(t, "pr-7", w.names())
	app := w.apps()["pr-7"]
	require.Equal(t, "manual c7 7 ann generator", fmt.Sprint(app.Spec.Sync, " ", app.Spec.Desired.Commit, " ", app.Spec.Desired.Sequence, " ", app.Spec.Desired.By, " ", app.Spec.Desired.Cause))
	require.Equal(t, "refs/merge-requests/7/head", app.Annotations[v1alpha1.AnnotationRef])
	require.Contains(t, shown(set), "/Pending/its commit has not been fetched yet")

	set.Spec.Generators[0].MergeRequests.Forks = v1alpha1.ForksApproved
	require.NoError(t, w.client.Update(ctx, set))
	set = w.settle()
	require.Equal(t, "pr-7", w.names())
	require.Contains(t, shown(set), "/Pending/commit c8 is from a fork, by eve, and waits for an approval: `slipway appset approve set 8 --commit c8`")
	for want, err := range map[string]error{
		"is at commit c8 now, not at c0": w.c.Approve(ctx, "default", "set", 8, "c0", "bob"),
		"7 needs no approval":            w.c.Approve(ctx, "default", "set", 7, "c7", "bob"),
		"no open merge request 9":        w.c.Approve(ctx, "default", "set", 9, "c9", "bob"),
	} {
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, w.c.Approve(ctx, "default", "set", 8, "c8", "bob"))
	set = w.settle()
	require.Equal(t, "pr-7 pr-8", w.names())
	app = w.apps()["pr-8"]
	require.Equal(t, "true", app.Labels[v1alpha1.LabelUntrusted])
	require.True(t, w.spaces.made[len(w.spaces.made)-1].Untrusted)
	require.Equal(t, "bob", set.Status.ForkApprovals[0].By)

	// Another commit of the fork waits again; the approved one goes on.
	fork.Commit, fork.Sequence = "c88", 88
	own.Commit, own.Sequence = "c77", 77
	w.requests(own, fork)
	set = w.settle()
	require.Equal(t, "c8", w.apps()["pr-8"].Spec.Desired.Commit)
	require.Equal(t, "c77", w.apps()["pr-7"].Spec.Desired.Commit)
	require.Contains(t, shown(set), "pr-8/Running/commit c88 is from a fork")

	// Merged and closed ones go.
	own.State = "merged"
	w.requests(own, fork)
	w.settle()
	require.Equal(t, "pr-8", w.names())
	w.requests()
	w.settle()
	require.Empty(t, w.names()+w.namespaces())
}

func TestWhatCannotBeMadeIsSaid(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, v1alpha1.ApplicationSetSpec{
		Generators: branches(v1alpha1.BranchGenerator{Include: []string{"*"}}), Limit: 2,
		Template: v1alpha1.ApplicationTemplate{Name: "shop-{{branch.slug}}", Spec: raw(`{}`), Preview: &v1alpha1.Preview{}},
	})
	require.NoError(t, w.client.Create(ctx, &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-a"}}))
	w.refs("a=c1", "b=c2", "b/=c3")
	set := w.settle()
	require.Equal(t, "shop-a shop-b", w.names())
	require.Contains(t, shown(set), "/Pending/application shop-a exists and is not of this set")
	require.Contains(t, shown(set), "/Pending/the name shop-b is taken by branch b; rename one of them")

	w.refs("b=c2", "c=c3", "d=c4", "a0=c5")
	set = w.settle()
	require.Equal(t, "shop-a shop-a0 shop-b", w.names(), "the one that is there comes first")
	require.Equal(t, 2, strings.Count(shown(set), "/Pending/over spec.limit of 2 applications"))

	w.spaces.fail = errors.New("namespace x exists and is not the preview of application shop-b")
	w.refs("e=c1", "b=c2")
	set = w.settle()
	require.Contains(t, shown(set), "/Pending/namespace x exists")
	require.Equal(t, "shop-a shop-b", w.names())
}

func TestTemplateWithoutPreviewGivesItsNamespacesUp(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, v1alpha1.ApplicationSetSpec{
		Generators: branches(v1alpha1.BranchGenerator{}),
		Template:   v1alpha1.ApplicationTemplate{Name: "p-{{branch.slug}}", Spec: raw(`{}`), Preview: &v1alpha1.Preview{}},
	})
	w.refs("main=c1", "x=c2")
	w.settle()
	name := PreviewNamespace("default", "set", "p-x")
	app := w.apps()["p-x"]
	app.Status.Inventory = []v1alpha1.ObjectReference{{Version: "v1", Kind: "ConfigMap", Namespace: name, Name: "c"}}
	require.NoError(t, w.client.Status().Update(ctx, app))
	set := w.settle()
	set.Spec.Template.Preview = nil
	require.NoError(t, w.client.Update(ctx, set))
	w.settle()
	require.Empty(t, w.apps()["p-x"].Spec.Namespace)
	require.Equal(t, name, w.namespaces(), "its objects are there until the next release has pruned them")
	app = w.apps()["p-x"]
	app.Status.Inventory = nil
	require.NoError(t, w.client.Status().Update(ctx, app))
	w.settle()
	require.Empty(t, w.namespaces())
	require.Equal(t, "p-x", w.names())
}

func TestNamespaceThatDoesNotGoIsShown(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, v1alpha1.ApplicationSetSpec{
		Generators: branches(v1alpha1.BranchGenerator{}),
		Template:   v1alpha1.ApplicationTemplate{Name: "p-{{branch.slug}}", Spec: raw(`{}`), Preview: &v1alpha1.Preview{}},
	})
	name := PreviewNamespace("default", "set", "p-x")
	w.spaces.stuck[name] = true
	w.refs("main=c1", "x=c2")
	w.settle()
	w.refs("main=c1")
	w.settle()
	ns := &corev1.Namespace{}
	require.NoError(t, w.client.Get(ctx, types.NamespacedName{Name: name}, ns))
	ns.Status.Conditions = []corev1.NamespaceCondition{{Type: corev1.NamespaceFinalizersRemaining, Status: corev1.ConditionTrue, Message: "things.example.com has 1 resource instances"}}
	require.NoError(t, w.client.Status().Update(ctx, ns))
	set := w.settle()
	require.Contains(t, shown(set), "its namespace is being removed since")
	require.Contains(t, shown(set), "things.example.com has 1 resource instances")
	// The set itself goes only after it.
	require.NoError(t, w.client.Delete(ctx, set))
	set = w.settle()
	require.NotEmpty(t, set.Name)
	require.NoError(t, w.client.Get(ctx, types.NamespacedName{Name: name}, ns))
	ns.Finalizers = nil
	require.NoError(t, w.client.Update(ctx, ns))
	require.Empty(t, w.settle().Name)
}

func TestCheckOfTemplates(t *testing.T) {
	mr := func(forks string) []v1alpha1.Generator {
		return []v1alpha1.Generator{{MergeRequests: &v1alpha1.MergeRequestGenerator{Forks: forks}}}
	}
	preview := &v1alpha1.Preview{}
	for _, c := range []struct {
		name       string
		generators []v1alpha1.Generator
		template   v1alpha1.ApplicationTemplate
		want       string
	}{
		{"good", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a-{{branch.slug}}", Spec: raw(`{"source":{"branch":"{{branch}}","helm":{"values":{"host":"{{branch.slug}}.example.org"}}}}`), Preview: preview}, ""},
		{"no generator", []v1alpha1.Generator{{}}, v1alpha1.ApplicationTemplate{Name: "a"}, "exactly one of"},
		{"placeholder of another generator", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a-{{number}}"}, "placeholder {{number}} is not known here"},
		{"name that is none", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "A_{{branch}}"}, "must consist of lower case"},
		{"unknown field", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"sauce":{}}`)}, `unknown field "sauce"`},
		{"value that people write", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"pin":3}`)}, "are not a template's to set"},
		{"another repository", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"source":{"repository":"x"}}`)}, `the set's repository is "shop"`},
		{"another's namespace", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"namespace":"kube-system"}`)}, "spec.namespace: leave it out"},
		{"path that leaves", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"source":{"path":"../x"}}`)}, "want a plain path"},
		{"label that is none", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Labels: map[string]string{"x": "a b"}}, "label x"},
		{"label of ours", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Labels: map[string]string{v1alpha1.LabelUntrusted: ""}}, "this prefix is the server's"},
		{"another account", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"serviceAccount":"x"}`), Preview: preview}, "by the deployer of its own namespace"},
		{"branch of a merge request", mr(""), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"source":{"branch":"{{branch}}"}}`)}, "followed by their commit"},
		{"tag of a merge request", mr(""), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"source":{"tag":"v1"}}`)}, "followed by their commit"},
		{"tag of a branch", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"source":{"semver":"1.x"}}`)}, "the application of a branch follows that"},
		{"tags of directories", []v1alpha1.Generator{{Directories: &v1alpha1.DirectoryGenerator{Include: []string{"apps/*"}}}}, v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"source":{"semver":"1.x"}}`)}, ""},
		{"range of directories that is none", []v1alpha1.Generator{{Directories: &v1alpha1.DirectoryGenerator{Include: []string{"apps/*"}}}}, v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"source":{"semver":"newest"}}`)}, "is no range of versions"},
		{"forks beside the tenant's objects", mr("approved"), v1alpha1.ApplicationTemplate{Name: "a"}, "in previews only"},
		{"forks with keys", mr("always"), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"source":{"decryption":{"secretRef":{"name":"k"}}}}`), Preview: preview}, "no key, credential or value"},
		{"forks with values", mr("approved"), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"source":{"helm":{"valuesFrom":[{"kind":"Secret","name":"k"}]}}}`), Preview: preview}, "no key, credential or value"},
		{"forks with pipelines", mr("always"), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"sync":"pipeline"}`), Preview: preview}, "nothing that a fork's pipeline built"},
		{"windows that mean nothing", branches(v1alpha1.BranchGenerator{}), v1alpha1.ApplicationTemplate{Name: "a", Spec: raw(`{"windows":[{"kind":"allow","schedule":"x","duration":"1h"}]}`)}, "window 1"},
		{"pattern that is none", []v1alpha1.Generator{{Directories: &v1alpha1.DirectoryGenerator{Include: []string{"apps/[a"}}}}, v1alpha1.ApplicationTemplate{Name: "a"}, "is not valid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check(&v1alpha1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "set"}, Spec: v1alpha1.ApplicationSetSpec{Repository: "shop", Generators: c.generators, Template: c.template}})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}
