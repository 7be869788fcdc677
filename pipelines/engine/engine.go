package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline"
	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/reconciler/pipelinerun"
	"github.com/tektoncd/pipeline/pkg/reconciler/taskrun"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	kubeclient "knative.dev/pkg/client/injection/kube/client"
	filteredinformerfactory "knative.dev/pkg/client/injection/kube/informers/factory/filtered"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/injection"
	"knative.dev/pkg/logging"

	"slipway.dev/cluster/api/v1alpha1"
)

// threads of each of the two controllers, ours and what Tekton has by itself.
const (
	threads         = 16
	upstreamThreads = 2
)

// Images are what Tekton puts into pods beside the user's own.
type Images struct {
	// Runner has ./runner at /ko-app/{entrypoint,nop,workingdirinit,sidecarlogresults}.
	Runner string
}

// Option changes how Start runs the controllers.
type Option func(*options)

type options struct{ upstream bool }

// UpstreamDefaults runs them with Tekton's own feature flags, threads and limits
// of requests, if on, so that ours can be compared with them.
func UpstreamDefaults(on bool) Option { return func(o *options) { o.upstream = on } }

// Start runs the two controllers until ctx ends, and returns when their caches are
// filled and they work; or why not. The CRDs must be established. A controller that
// fails later is logged, and its error is sent to the returned channel, which is
// closed once both have ended.
func Start(ctx context.Context, cfg *rest.Config, images Images, log *slog.Logger, opt ...Option) (<-chan error, error) {
	var o options
	for _, set := range opt {
		set(&o)
	}
	if images.Runner == "" {
		return nil, errors.New("tekton: the runner image has no name")
	}
	if err := os.Setenv("SYSTEM_NAMESPACE", v1alpha1.SystemNamespace); err != nil {
		return nil, fmt.Errorf("tekton: %w", err)
	}
	cfg = rest.CopyConfig(cfg)
	workers := threads
	cfg.QPS, cfg.Burst = 400, 800
	if o.upstream {
		workers = upstreamThreads
		// As its own main has it: twice the client's defaults, for two controllers.
		cfg.QPS, cfg.Burst = 4*rest.DefaultQPS, 2*rest.DefaultBurst
	}
	cfg.UserAgent = "slipway-tekton"
	controller.DefaultThreadsPerController = workers

	ctx = logging.WithLogger(ctx, newLogger(log.With("part", "tekton")))
	ctx = filteredinformerfactory.WithSelectors(ctx, v1.ManagedByLabelKey)
	ctx = controller.WithResyncPeriod(ctx, 10*time.Hour)
	ctx = injection.WithConfig(ctx, cfg)
	ctx, informers := injection.Default.SetupInformers(ctx, cfg)
	ctx = context.WithValue(ctx, kubeclient.Key{}, kubernetes.Interface(brief{kubeclient.Get(ctx)}))

	opts := &pipeline.Options{Images: pipeline.Images{
		EntrypointImage:        images.Runner,
		SidecarLogResultsImage: images.Runner,
		NopImage:               images.Runner,
		ShellImage:             images.Runner,
		ShellImageWin:          images.Runner,
		WorkingDirInitImage:    images.Runner,
	}}
	cmw := watcher(v1alpha1.SystemNamespace, o.upstream)
	impls := []*controller.Impl{
		taskrun.NewController(opts, clock.RealClock{})(ctx, cmw),
		pipelinerun.NewController(opts, clock.RealClock{})(ctx, cmw),
	}
	if _, err := controller.RunInformers(ctx.Done(), informers...); err != nil {
		return nil, fmt.Errorf("tekton: caches did not fill: %w", err)
	}
	done := make(chan error, 1)
	go func() {
		defer close(done)
		if err := controller.StartAll(ctx, impls...); err != nil && ctx.Err() == nil {
			log.Error("tekton stopped", "err", err)
			done <- err
		}
	}()
	return done, nil
}
