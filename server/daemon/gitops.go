package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/addons"
	slipway "slipway.dev/cluster/api/v1alpha1"
	kube "slipway.dev/cluster/client"
	"slipway.dev/cluster/outside"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/generate"
	"slipway.dev/gitops/git"
	"slipway.dev/gitops/hook"
	"slipway.dev/gitops/release"
	"slipway.dev/gitops/revision"
	sources "slipway.dev/gitops/source"
	"slipway.dev/gitops/writeback"
	"slipway.dev/registry/artifacts"
	"slipway.dev/server/api"
)

// gitops is the top-level directory gitops, composed.
type gitops struct {
	*release.Reconciler
	deployer   *release.Deployer
	promotions *release.Promotions
	sets       *generate.Controller
	repos      *git.Reconciler
	host       *git.Host
	spool      *hook.Spool
	hooks      http.Handler
}

func (s *services) openGitops(context.Context) error {
	direct, err := kube.New(s.cluster.config)
	if err != nil {
		return err
	}
	mc := s.manager.GetClient()
	s.git = &git.Host{
		Store: &git.Store{Dir: filepath.Join(s.conf.DataDir, "git")}, Client: mc, Reader: direct,
		Authorize: s.gitAllowed, Notice: s.notice, Log: s.log.With("part", "git"), Disk: s.disk,
		Events: s.manager.GetEventRecorder("slipway"),
	}
	g := &gitops{host: s.git, repos: &git.Reconciler{Host: s.git, Remote: git.Remote{Private: s.conf.PrivateSources}}}
	if g.spool, err = hook.Open(filepath.Join(s.conf.DataDir, "hooks"), s.log.With("part", "hooks")); err != nil {
		return err
	}
	g.repos.Removed = g.spool.Forget
	g.hooks = &hook.Handler{
		Target: webhookTarget(mc), ValidName: git.ValidName, ValidNamespace: git.ValidNamespace, Spool: g.spool, Log: s.log.With("part", "hooks"),
	}
	applier, err := apply.New(s.cluster.config, direct, s.manager.GetRESTMapper(), outside.Guard{Private: s.conf.PrivateSources}.Dial)
	if err != nil {
		return err
	}
	store := &release.Store{Sets: release.NewRecent(artifacts.New(s.registry.Transport())), Client: mc, Reader: direct}
	renderer, err := s.renderer(direct, store)
	if err != nil {
		return err
	}
	g.Reconciler = &release.Reconciler{
		Client: mc, Reader: direct, Pods: s.kube, Source: source{s.git.Store}, Commits: commits(s.git.Store), Renderer: renderer, Trees: renderer, Applier: applier, Store: store,
		Events: s.manager.GetEventRecorder("slipway"), Metrics: release.NewMetrics(s.metrics), Log: s.log.With("part", "releases"),
		PoliciesIgnored: !s.conf.NetworkPolicies,
	}
	g.deployer = &release.Deployer{Client: direct}
	g.promotions = &release.Promotions{Client: mc, Reader: direct, Events: s.manager.GetEventRecorder("slipway"), Log: s.log.With("part", "releases")}
	g.sets = &generate.Controller{
		Client: mc, Reader: direct, Source: s.git.Store, Spaces: addons.Previews{Client: mc, Reader: direct},
		Events: s.manager.GetEventRecorder("slipway"), Log: s.log.With("part", "generators"),
	}
	back := &writeback.Controller{
		Client: mc, Reader: direct, Git: g.repos, Deployer: g.deployer, Events: s.manager.GetEventRecorder("slipway"), Log: s.log.With("part", "write-back"),
	}
	s.gitops = g
	for _, c := range []interface{ SetupWithManager(ctrl.Manager) error }{
		g.repos, g.Reconciler, g.promotions, g.sets, back, &release.SyncOnPush{Client: mc, Reader: direct, Commits: commits(s.git.Store), Events: s.manager.GetEventRecorder("slipway"), Footprints: source{s.git.Store}.footprints, Log: s.log.With("part", "releases")},
		&sources.Follower{Client: mc, Reader: direct, Inputs: renderer.Inputs, Log: s.log.With("part", "charts")},
		&sources.Finder{Client: mc, Commits: commits(s.git.Store), Events: s.manager.GetEventRecorder("slipway"), Log: s.log.With("part", "sources")},
	} {
		if err := c.SetupWithManager(s.manager); err != nil {
			return err
		}
	}
	return nil
}

func (g *gitops) start(run func(string, func(context.Context) error)) {
	run("git", g.host.Start)
	run("webhooks", func(ctx context.Context) error {
		return g.spool.Run(ctx, g.deliver)
	})
	run("git shutdown", func(ctx context.Context) error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		return g.host.Shutdown(stop)
	})
}

func (g *gitops) close() error { return g.spool.Close() }

// source is the Git store in the words of gitops/release.
type source struct{ *git.Store }

func (s source) Commit(ctx context.Context, namespace, repository, commit string) (subject, author string, at time.Time, err error) {
	c, err := s.Store.Commit(ctx, namespace, repository, commit)
	return c.Subject, c.Author, c.Time, err
}

// commits looks up those whose object names begin so, in the words of gitops/revision.
func commits(store *git.Store) revision.Commits {
	return func(ctx context.Context, namespace, repository, prefix string) (string, error) {
		commit, err := store.Abbreviated(ctx, namespace, repository, prefix)
		if errors.Is(err, git.ErrAmbiguous) {
			err = fmt.Errorf("%w: %w", revision.ErrAmbiguous, err)
		}
		return commit, err
	}
}

// footprints of paths of a commit.
func (s source) footprints(ctx context.Context, namespace, repository, commit string, paths []string) ([]release.Footprint, error) {
	found, err := s.Store.Footprints(ctx, namespace, repository, commit, paths)
	out := make([]release.Footprint, len(found))
	for i, f := range found {
		out[i] = release.Footprint(f)
	}
	return out, err
}

// describe a commit for a pipeline.
func (s source) describe(ctx context.Context, namespace, repository, commit string) (message, author string, at time.Time, err error) {
	c, err := s.Store.Commit(ctx, namespace, repository, commit)
	if author = c.Author; c.Email != "" {
		author += " <" + c.Email + ">"
	}
	return c.Message, author, c.Time, err
}

// notice is what `git push` prints: where the run of each update is, or why it has none.
func (s *services) notice(ns, repo string, updates []git.Update) []string {
	var lines []string
	for _, u := range updates {
		switch {
		case u.Commit == "":
		case u.NoRun != "":
			lines = append(lines, fmt.Sprintf("No run for %s: %s", strings.TrimPrefix(u.Ref, "refs/heads/"), u.NoRun))
		default:
			lines = append(lines, fmt.Sprintf("Run %s-%d: %s/runs/%s/%s-%d", repo, u.Sequence, s.conf.URL, ns, repo, u.Sequence))
		}
	}
	return lines
}

// repositories is gitops in the words of api.Repositories.
type repositories struct{ *gitops }

func (g repositories) Sync(ctx context.Context, namespace, repository string) error {
	var repo slipway.Repository
	if err := g.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: repository}, &repo); err != nil {
		return err
	}
	if repo.Spec.URL == "" {
		return &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("repository %s is hosted here", repository), Hint: "push to it"}
	}
	return g.repos.Sync(ctx, namespace, repository)
}
