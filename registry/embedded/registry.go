package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/token" // the access controller
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/prometheus/client_golang/prometheus"

	"slipway.dev/cluster/disk"
)

// Options of a registry.
type Options struct {
	// Dir holds everything: blobs, the token key, marks of what was seeded.
	Dir string
	// Logger gets warnings and errors. Default: slog's.
	Logger *slog.Logger
	// Authenticator and Authorizer decide who is who and who may what. Required.
	Authenticator Authenticator
	Authorizer    Authorizer
	// Registerer gets the registry's metrics. May be nil.
	Registerer prometheus.Registerer
	// Upstreams are pulled through. Nil: DefaultUpstreams.
	Upstreams []UpstreamRegistry
	// Disk says when writes have to be refused for want of room. Default: the
	// default reserve on Dir's.
	Disk Disk
	// TokenTTL is how long a pull or push token lives. Default 5 minutes.
	TokenTTL time.Duration
	// Revalidate is how old an answer about an upstream's tag may be before the
	// upstream is asked again. Default 5 minutes.
	Revalidate time.Duration
}

// Registry is a running registry. It is an http.Handler for /v2/ and TokenPath.
type Registry struct {
	options Options
	log     *slog.Logger
	app     *handlers.App
	stop    context.CancelFunc
	signer  *signer
	mirror  *mirror
	metrics *metrics

	// By address; from this machine itself, by credential.
	failures, localFailures failureLimit
}

var _ http.Handler = (*Registry)(nil)

// New opens the registry in a directory, which it makes if needed. The caller
// serves it as an http.Handler at /v2/ and TokenPath, and closes it.
func New(options Options) (*Registry, error) {
	if options.Dir == "" || options.Authenticator == nil || options.Authorizer == nil {
		return nil, errors.New("registry: a directory, an authenticator and an authorizer are required")
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if options.TokenTTL == 0 {
		options.TokenTTL = 5 * time.Minute
	}
	if options.Revalidate == 0 {
		options.Revalidate = 5 * time.Minute
	}
	if options.Disk == nil {
		options.Disk = disk.New(options.Dir, 0)
	}
	if options.Upstreams == nil {
		options.Upstreams = DefaultUpstreams()
	}
	for _, dir := range []string{options.Dir, filepath.Join(options.Dir, "seeded")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("registry: %w", err)
		}
	}
	quiet(options.Logger)
	r := &Registry{options: options, log: options.Logger}
	var err error
	if r.signer, err = newSigner(options.Dir, options.TokenTTL); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	r.metrics = newMetrics()
	if r.mirror, err = newMirror(options, r.metrics); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	if err := r.metrics.register(options.Registerer); err != nil {
		return nil, fmt.Errorf("registry metrics: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	if r.app, err = newApp(ctx, r.configuration()); err != nil {
		stop()
		return nil, fmt.Errorf("registry: %w", err)
	}
	return r, nil
}

// Close stops what runs in the background and waits for it.
func (r *Registry) Close() error {
	r.stop()
	r.mirror.wait()
	return r.app.Shutdown()
}

// newApp turns the panics by which distribution reports a bad configuration into errors.
func newApp(ctx context.Context, config *configuration.Configuration) (app *handlers.App, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return handlers.NewApp(ctx, config), nil
}

func (r *Registry) configuration() *configuration.Configuration {
	c := &configuration.Configuration{
		Storage: configuration.Storage{
			storageDriverName: configuration.Parameters{"rootdirectory": r.options.Dir, "disk": r.options.Disk},
			"delete":          configuration.Parameters{"enabled": true},
			"redirect":        configuration.Parameters{"disable": true},
		},
		Auth: configuration.Auth{"token": configuration.Parameters{
			"realm":             "slipway",
			"autoredirect":      true,
			"autoredirectpath":  TokenPath,
			"issuer":            issuer,
			"service":           serviceName,
			"jwks":              r.signer.jwksFile,
			"signingalgorithms": []any{"ES256"},
		}},
		Middleware: map[string][]configuration.Middleware{
			"registry": {{Name: middlewareName, Options: configuration.Parameters{"mirror": r.mirror}}},
		},
	}
	c.HTTP.Secret = r.signer.uploadSecret
	c.HTTP.RelativeURLs = true
	return c
}
