package writeback

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/git"
	"slipway.dev/gitops/release"
)

// world is a hosted repository with real data, and an application of it.
type world struct {
	t       *testing.T
	client  client.WithWatch
	c       *Controller
	work    string
	commits []string
}

const manifest = `kind: Deployment
spec: {template: {spec: {containers: [
  {name: web, image: registry.slipway.internal/default/shop}, # version N
]}}}
`

func newWorld(t *testing.T, spec v1alpha1.ApplicationSpec) *world {
	t.Helper()
	w := &world{t: t, work: t.TempDir()}
	w.git("init", "-q", "-b", "main")
	for _, n := range []string{"1", "2"} {
		require.NoError(t, os.MkdirAll(filepath.Join(w.work, "deploy"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(w.work, "deploy", "a.yaml"), []byte(strings.Replace(manifest, "N", n, 1)), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(w.work, "main.go"), []byte("// "+n), 0o644))
		w.git("add", "-A")
		w.git("commit", "-q", "-m", "version "+n)
		w.commits = append(w.commits, w.git("rev-parse", "HEAD"))
	}
	dir := filepath.Join(t.TempDir(), "git")
	bare := filepath.Join(dir, "default", "shop.git")
	w.git("clone", "-q", "--bare", ".", bare)
	require.NoError(t, os.WriteFile(filepath.Join(bare, "slipway-origin"), []byte("hosted\n"), 0o600))
	w.git("remote", "add", "origin", bare)

	scheme := runtime.NewScheme()
	require.NoError(t, clientscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	spec.Source.Repository = "shop"
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop", UID: "app"}, Spec: spec}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.Application{}, &v1alpha1.Release{}, &v1alpha1.Repository{}).
		WithObjects(app, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}).
		WithIndex(&v1alpha1.Application{}, indexed, repositoryOf).Build()
	host := &git.Host{Store: &git.Store{Dir: dir}, Client: w.client, Log: slog.New(slog.DiscardHandler)}
	require.NoError(t, host.Reconcile(context.Background()))
	w.c = &Controller{Client: w.client, Reader: w.client, Git: &git.Reconciler{Host: host}, Deployer: &release.Deployer{Client: w.client}, Log: slog.New(slog.DiscardHandler)}
	return w
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = w.work
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.work, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.org"}
	out, err := cmd.CombinedOutput()
	require.NoError(w.t, err, string(out))
	return strings.TrimSpace(string(out))
}

// show a file of the hosted repository's branch.
func (w *world) show(branch, file string) string {
	w.t.Helper()
	w.git("fetch", "-q", "origin", branch)
	return w.git("show", "FETCH_HEAD:"+file)
}

func (w *world) app() *v1alpha1.Application {
	w.t.Helper()
	app := &v1alpha1.Application{}
	require.NoError(w.t, w.client.Get(context.Background(), types.NamespacedName{Namespace: "default", Name: "shop"}, app))
	return app
}

// healthy records release n of a commit as what runs.
func (w *world) healthy(n int64, commit, digest string) {
	w.t.Helper()
	ctx := context.Background()
	app := w.app()
	d := v1alpha1.Desired{Commit: commit, Sequence: 1, Images: []v1alpha1.Image{{Name: "registry.slipway.internal/default/shop", Digest: digest, Commit: commit}}}
	rel := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: release.Name("shop", n)}, Spec: v1alpha1.ReleaseSpec{Application: "shop", Number: n, Desired: d}}
	require.NoError(w.t, controllerutil.SetControllerReference(app, rel, w.client.Scheme()))
	require.NoError(w.t, w.client.Create(ctx, rel))
	rel.Status.Result = v1alpha1.ReleaseHealthy
	require.NoError(w.t, w.client.Status().Update(ctx, rel))
	app.Spec.Desired = &d
	require.NoError(w.t, w.client.Update(ctx, app))
	app.Status.Current, app.Status.Healthy, app.Status.Last, app.Status.Sync = n, n, n, "Synced"
	require.NoError(w.t, w.client.Status().Update(ctx, app))
}

func (w *world) reconcile() (ctrl.Result, *v1alpha1.Application) {
	w.t.Helper()
	result, err := w.c.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "shop"}})
	require.NoError(w.t, err)
	return result, w.app()
}

func (w *world) spec(change func(*v1alpha1.ApplicationSpec)) {
	w.t.Helper()
	app := w.app()
	change(&app.Spec)
	require.NoError(w.t, w.client.Update(context.Background(), app))
}

func TestImagesAreWrittenBackOnceHealthy(t *testing.T) {
	w := newWorld(t, v1alpha1.ApplicationSpec{Sync: "pipeline", Lifecycle: v1alpha1.Lifecycle{WriteBack: &v1alpha1.WriteBack{Images: true}}})
	_, app := w.reconcile()
	require.Nil(t, app.Status.WrittenBack, "nothing is healthy yet")

	w.healthy(1, w.commits[1], "sha256:1111")
	_, app = w.reconcile()
	done := app.Status.WrittenBack
	require.EqualValues(t, 1, done.Release)
	require.Equal(t, "main", done.Branch)
	require.Equal(t, strings.TrimSpace(strings.NewReplacer("N", "2", "default/shop}", "default/shop@sha256:1111}").Replace(manifest)), w.show("main", "deploy/a.yaml"))
	require.Equal(t, done.Commit, w.git("rev-parse", "FETCH_HEAD"))
	message := w.git("log", "-1", "--format=%an%n%B", "FETCH_HEAD")
	for _, want := range []string{"Slipway\nImages of shop as of release 1\n", "sha256:1111 of commit " + w.commits[1][:12], "[skip ci]", "Slipway-Application: default/shop", "Slipway-Release: 1"} {
		require.Contains(t, message, want)
	}
	repo := &v1alpha1.Repository{}
	require.NoError(t, w.client.Get(context.Background(), types.NamespacedName{Namespace: "default", Name: "shop"}, repo))
	require.NotEmpty(t, repo.Status.Refs["refs/heads/main"].NoRun, "no pipeline runs of it")

	// Once is enough, also for a server that was killed before it noted that.
	app.Status.WrittenBack = nil
	require.NoError(t, w.client.Status().Update(context.Background(), app))
	_, app = w.reconcile()
	require.Equal(t, done.Commit, app.Status.WrittenBack.Commit)
	w.git("fetch", "-q", "origin", "main")
	require.Equal(t, done.Commit, w.git("rev-parse", "FETCH_HEAD"))

	// To a branch of its own, which begins at the release's commit.
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.WriteBack.Branch = "env/prod" })
	w.healthy(2, w.commits[0], "sha256:2222")
	_, app = w.reconcile()
	require.Equal(t, "env/prod", app.Status.WrittenBack.Branch)
	require.Contains(t, w.show("env/prod", "deploy/a.yaml"), "default/shop@sha256:2222}, # version 1")
	require.Equal(t, w.commits[0], w.git("rev-parse", "FETCH_HEAD^"))

	// What has no place is said; what is refused too, and tried again.
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Source.Path = "elsewhere" })
	w.healthy(3, w.commits[1], "sha256:3333")
	_, app = w.reconcile()
	require.Contains(t, app.Status.WrittenBack.Message, "no place was found for registry.slipway.internal/default/shop")
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.WriteBack.Files = []string{"gone.yaml"} })
	w.healthy(4, w.commits[1], "sha256:4444")
	result, app := w.reconcile()
	require.Equal(t, later, result.RequeueAfter)
	require.Contains(t, app.Status.WrittenBack.Message, "spec.writeBack.files")
	require.EqualValues(t, 3, app.Status.WrittenBack.Release)
}

func TestRollbackIsWrittenBackAsARevert(t *testing.T) {
	w := newWorld(t, v1alpha1.ApplicationSpec{Sync: "pipeline", Lifecycle: v1alpha1.Lifecycle{WriteBack: &v1alpha1.WriteBack{Rollback: true}}})
	w.healthy(1, w.commits[0], "sha256:1111")
	w.healthy(2, w.commits[1], "sha256:2222")
	_, app := w.reconcile()
	require.Nil(t, app.Status.WrittenBack, "images are not asked for")

	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin, s.PinnedBy = 1, "ann\nEvil: header" })
	_, app = w.reconcile()
	require.EqualValues(t, 1, app.Status.WrittenBack.Pin)
	require.Contains(t, w.show("main", "deploy/a.yaml"), "default/shop@sha256:1111}, # version 1")
	require.Equal(t, "// 2", w.git("show", "FETCH_HEAD:main.go"), "the rest stays")
	require.Contains(t, w.git("log", "-1", "--format=%B", "FETCH_HEAD"), "Revert shop to release 1\n\nPinned by ann Evil: header. This restores deploy as of commit "+w.commits[0])

	// The revert is what is desired from then on, with the digests of the pinned release.
	_, app = w.reconcile()
	d := app.Spec.Desired
	require.Equal(t, app.Status.WrittenBack.Commit+" sha256:1111 rollback", d.Commit+" "+d.Images[0].Digest+" "+d.Cause)
	require.Greater(t, d.Sequence, int64(1))
	commit := d.Commit
	_, app = w.reconcile()
	require.Equal(t, commit, app.Spec.Desired.Commit)

	// The end of the pin is noted, so that the same release can be pinned again.
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin, s.PinnedBy = 0, "" })
	_, app = w.reconcile()
	require.Zero(t, app.Status.WrittenBack.Pin)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin = 2 })
	_, app = w.reconcile()
	require.EqualValues(t, 2, app.Status.WrittenBack.Pin)
	require.Contains(t, w.show("main", "deploy/a.yaml"), "@sha256:2222}, # version 2")
}

// failing writer answers with one error.
type failing struct{ err error }

func (f failing) Write(context.Context, git.Edit) (git.Written, error) { return git.Written{}, f.err }

func TestMirrorThatIsBehindIsWaitedFor(t *testing.T) {
	w := newWorld(t, v1alpha1.ApplicationSpec{Sync: "pipeline", Lifecycle: v1alpha1.Lifecycle{WriteBack: &v1alpha1.WriteBack{Images: true}}})
	w.healthy(1, w.commits[1], "sha256:1111")
	w.c.Git = failing{git.ErrBehind}
	result, app := w.reconcile()
	require.Equal(t, behind, result.RequeueAfter)
	require.Nil(t, app.Status.WrittenBack)
	w.c.Git = failing{errors.New("the other side wants credentials")}
	_, app = w.reconcile()
	require.Equal(t, "the other side wants credentials", app.Status.WrittenBack.Message)
	require.Zero(t, app.Status.WrittenBack.Release)
}

// Nothing can be committed to a tag: it is said, unless the branch is named.
func TestTagsAreNotWrittenTo(t *testing.T) {
	w := newWorld(t, v1alpha1.ApplicationSpec{Sync: "pipeline", Source: v1alpha1.Source{Revision: v1alpha1.Revision{Semver: "1.x"}}, Lifecycle: v1alpha1.Lifecycle{WriteBack: &v1alpha1.WriteBack{Images: true, Rollback: true}}})
	w.healthy(1, w.commits[1], "sha256:1111")
	_, app := w.reconcile()
	require.Equal(t, "spec.writeBack: tags 1.x is followed, to which nothing can be committed; name the branch in spec.writeBack.branch", app.Status.WrittenBack.Message)
	require.Empty(t, app.Status.WrittenBack.Commit)
	require.NotContains(t, w.show("main", "deploy/a.yaml"), "sha256")

	w.spec(func(s *v1alpha1.ApplicationSpec) { s.WriteBack.Branch = "main" })
	_, app = w.reconcile()
	require.Empty(t, app.Status.WrittenBack.Message)
	require.Contains(t, w.show("main", "deploy/a.yaml"), "sha256:1111")

	// A revert on that branch is not what is desired: only a tag of it would be.
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin, s.PinnedBy = 1, "ann" })
	_, _ = w.reconcile()
	_, app = w.reconcile()
	require.EqualValues(t, 1, app.Status.WrittenBack.Pin)
	require.Equal(t, w.commits[1], app.Spec.Desired.Commit)
}
