package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/authz"
	kube "slipway.dev/cluster/client"
	"slipway.dev/cluster/disk"
	"slipway.dev/cluster/images"
	"slipway.dev/cluster/images/seed"
	"slipway.dev/cluster/pki"
	"slipway.dev/gitops/git"
	"slipway.dev/observability/dashboard/stored"
	"slipway.dev/observability/grafana"
	"slipway.dev/observability/observe"
	"slipway.dev/observability/stack"
	"slipway.dev/registry/embedded"
	"slipway.dev/server/api"
	"slipway.dev/server/badge"
	"slipway.dev/server/boards"
	"slipway.dev/server/changes"
	"slipway.dev/server/config"
	"slipway.dev/server/console"
	"slipway.dev/server/front"
)

// tenant is the one tenant that there is at first.
const tenant = "default"

// services is everything above the cluster.
type services struct {
	conf      config.Config
	log       *slog.Logger
	cluster   *cluster
	state     *status
	kube      kubernetes.Interface
	manager   ctrl.Manager
	metrics   *prometheus.Registry
	access    *access
	disk      *disk.Guard
	registry  *embedded.Registry
	git       *git.Host
	gitops    *gitops
	pipelines *pipelines
	around    *around
	observe   *observe.Client
	grafana   *grafana.Provisioner // nil: none is configured
	boards    *stored.Store
	provision *boards.Provision
	logStack  *stack.Controller
	door      *front.Door
	listeners []front.Listener
	resource  net.Listener // of metrics.k8s.io
	booted    atomic.Bool
}

// newServices makes the parts, lowest floor first; start sets them to work.
func newServices(ctx context.Context, conf config.Config, c *cluster, listeners []front.Listener, state *status, log *slog.Logger) (*services, error) {
	ctrl.SetLogger(logr.FromSlogHandler(quieter{log.With("part", "controllers").Handler()}))
	s := &services{conf: conf, log: log, cluster: c, listeners: listeners, state: state, metrics: prometheus.NewRegistry()}
	for _, step := range []func(context.Context) error{
		s.openDisk, s.openAccess, s.openRegistry, s.newManager, s.openGitops, s.openPipelines, s.openAround, s.openObserve, s.openResource, s.openGrafana, s.openDashboards, s.openLogStack, s.openDoor,
	} {
		if err := step(ctx); err != nil {
			s.close(log)
			return nil, err
		}
	}
	return s, nil
}

func (s *services) openAccess(ctx context.Context) (err error) {
	if s.kube, err = kubernetes.NewForConfig(s.cluster.config); err != nil {
		return err
	}
	s.access = &access{
		tokens: authz.NewTokens(s.kube), pods: authz.NewTokenReview(s.kube, slipway.RegistryHost), rbac: authz.NewAccessReview(s.kube),
	}
	if err := s.access.tokens.Start(ctx); err != nil {
		return err
	}
	_, err = s.access.tokens.EnsureAdmin(ctx, filepath.Join(s.conf.DataDir, "admin.token"))
	return err
}

func (s *services) openRegistry(context.Context) (err error) {
	a := registryAccess{s.access}
	s.registry, err = embedded.New(embedded.Options{
		Dir: filepath.Join(s.conf.DataDir, "registry"), Logger: s.log.With("part", "registry"),
		Authenticator: a, Authorizer: a, Registerer: s.metrics, Upstreams: upstreams(s.conf), Disk: s.disk,
	})
	return err
}

func (s *services) newManager(context.Context) (err error) {
	s.manager, err = ctrl.NewManager(s.cluster.config, ctrl.Options{
		Scheme:  kube.Scheme,
		Metrics: server.Options{BindAddress: "0"},
		Cache:   cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		// Secrets are read when they are needed and never kept.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	return err
}

// The listeners of the front door: plain HTTP and HTTPS.
const (
	plain = iota
	secure
)

// listen opens the addresses of the front door. That is done first: who comes while the rest
// starts waits for an answer and is not refused, above all containerd, for an image; a pod
// whose image was refused waits ten seconds and more before it is tried again.
func listen(conf config.Config) (all []front.Listener, err error) {
	for _, addr := range []string{plain: conf.HTTP, secure: conf.HTTPS} {
		l, err := front.Listen(addr, nil)
		if err != nil {
			shut(all)
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

func shut(all []front.Listener) {
	for _, l := range all {
		_ = l.Close()
	}
}

func (s *services) openDoor(context.Context) error {
	uploads := filepath.Join(s.conf.DataDir, "run", "uploads")
	if err := os.RemoveAll(uploads); err != nil { // what a crash left
		return err
	}
	if err := os.MkdirAll(uploads, 0o700); err != nil {
		return err
	}
	parts := front.Parts{
		API: api.Handler(api.Deps{
			Reader: s.manager.GetClient(), Writer: s.manager.GetClient(), Watcher: changes.Watcher{Cache: s.manager.GetCache()},
			Authorizer: s.access, Runs: s.pipelines, Kept: kept{s.pipelines.Controller}, Applications: applications{s.gitops}, Promotions: promotions{s.gitops.promotions}, Repositories: repositories{s.gitops}, Deliveries: s.gitops.spool,
			ApplicationSets: s.gitops.sets, Browser: browser{s.git, s.manager.GetClient()},
			Variables: s.pipelines.Variables, Schedules: s.around.schedules, Environments: s.around.environments,
			Tokens: tokenAdmin{s.access.tokens}, Logs: logSearch{s.observe, s.conf.Logs.Read}, Alerts: alertAPI{s.observe}, Grafana: s.grafanaAPI(), ScrapeInterval: s.conf.ScrapeInterval, LogStack: logStacks{s.manager.GetClient(), s.manager.GetAPIReader(), s.logStack}, Exposed: s.observe, Dashboards: s.boards, Images: s.registry, Uploads: uploads, Room: s.disk.Room, Status: s.components, Tenants: s.tenants,
		}, s.log),
		Jobs: s.pipelines.jobs, Git: s.git.Handler(), Hooks: s.gitops.hooks, Registry: s.registry,
		Metrics: s.access.guarded("get", "metrics", s.metricsHandler()),
		Query:   s.metricsFor(s.observe.Prometheus()),
		Elastic: s.elastic(),
		Alerts:  s.alertmanager(),
		Issuer:  s.pipelines.issuer.Handler(),
		Badge:   &badge.Handler{Reader: s.manager.GetClient(), Authorizer: s.access, Log: s.log},
		Console: console.Handler(),
		Ready:   s.ready,
	}
	var err error
	if s.door, err = front.New(parts, s.access, filepath.Join(s.conf.DataDir, "pki", "session.key"), s.log); err != nil {
		return err
	}
	s.git.Authenticate = s.gitUser
	own, given := front.Pair(s.cluster.pki.Front), front.Pair{Cert: s.conf.TLSCert, Key: s.conf.TLSKey}
	if given != (front.Pair{}) {
		if _, err := tls.LoadX509KeyPair(given.Cert, given.Key); err != nil {
			return fmt.Errorf("tlsCert %s: %w", given.Cert, err)
		}
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: front.Certificates(own, given)}
	s.listeners[secure].TLS = tlsConfig
	return nil
}

// seed puts the base images of the configured OCI layout into the registry, and the
// system images that a pod may be told to pull: Tekton ends a sidecar by giving its
// container the runner, and one with imagePullPolicy Always pulls that.
func (s *services) seed(ctx context.Context) error {
	if err := s.seedBase(ctx); err != nil {
		return err
	}
	for _, name := range []string{images.Runner, images.Toolbox} {
		err := s.whenRoom(ctx, name, func() error {
			return s.registry.Keep(ctx, s.cluster.refs[name], func() (v1.Image, error) {
				built, err := images.Build(s.cluster.payload, name)
				if err != nil {
					return nil, err
				}
				return built[0].Image, nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *services) seedBase(ctx context.Context) error {
	if s.conf.Seeds == "" {
		return nil
	}
	defer s.state.waiting("base images", "importing "+s.conf.Seeds)()
	names, err := seed.Names(s.conf.Seeds)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := s.whenRoom(ctx, name, func() error {
			_, err := s.registry.Seed(ctx, name, s.conf.Seeds)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// whenRoom puts an image into the registry. On a full disk it waits for room: what runs
// already goes on meanwhile.
func (s *services) whenRoom(ctx context.Context, image string, put func() error) error {
	err := put()
	for err != nil && s.disk.Room() != nil {
		s.log.Error("images wait for room on the disk", "image", image, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookAtDisk):
		}
		err = put()
	}
	return err
}

// start sets everything to work; each part ends with ctx, and its failure ends it.
func (s *services) start(ctx context.Context, g *errgroup.Group, leave *parting, fail context.CancelCauseFunc) {
	run := func(name string, f func(context.Context) error) {
		ended := leave.part(name)
		g.Go(func() error {
			defer ended()
			err := f(ctx)
			if err != nil && ctx.Err() == nil {
				fail(fmt.Errorf("%s: %w", name, err))
			}
			return nil
		})
	}
	s.pipelines.collector.Start(ctx)
	run("controllers", s.manager.Start)
	s.gitops.start(run)
	s.pipelines.start(run)
	run("volumes", func(ctx context.Context) error {
		s.cluster.volumes.Run(ctx)
		return nil
	})
	run("certificates", func(ctx context.Context) error {
		pki.Maintain(ctx, s.cluster.pki.Dir, s.cluster.identities, s.log.With("part", "pki"))
		return nil
	})
	run("resource metrics", s.serveResource)
	run("network policies", s.enforcePolicies)
	if s.grafana != nil {
		run("grafana", s.runGrafana)
	}
	run("seeds", s.seed)
	run("disk", s.watchDisk)
	run("log collector", collector(s.conf, s.manager.GetClient(), s.observe, s.log).Run)
	run("readiness", func(ctx context.Context) error {
		defer s.state.waiting("controllers", "filling their caches")()
		if !s.manager.GetCache().WaitForCacheSync(ctx) {
			return context.Cause(ctx)
		}
		s.booted.Store(true)
		return nil
	})
}

func (s *services) components(ctx context.Context) []api.Component { return s.state.components(ctx) }

func (s *services) ready() error {
	if !s.booted.Load() {
		return errors.New("controllers are starting")
	}
	var missing []string
	for _, c := range s.components(context.Background()) {
		if !c.Ready && !c.Optional {
			missing = append(missing, c.Name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not ready: %s", strings.Join(missing, ", "))
	}
	return nil
}

func (s *services) close(log *slog.Logger) {
	var err error
	if s.resource != nil {
		_ = s.resource.Close()
	}
	if s.registry != nil {
		err = s.registry.Close()
	}
	if s.gitops != nil {
		err = errors.Join(err, s.gitops.close())
	}
	if s.pipelines != nil {
		err = errors.Join(err, s.pipelines.archive.Close())
	}
	if err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
		log.Warn("stop", "err", err)
	}
}
