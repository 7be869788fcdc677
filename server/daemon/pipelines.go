package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/atomicfile"
	"slipway.dev/cluster/images"
	"slipway.dev/cluster/outside"
	"slipway.dev/gitops/git"
	"slipway.dev/gitops/release"
	"slipway.dev/pipelines/archive"
	"slipway.dev/pipelines/build"
	"slipway.dev/pipelines/engine"
	"slipway.dev/pipelines/idtoken"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobcache"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/run"
	"slipway.dev/pipelines/submodule"
	"slipway.dev/pipelines/variables"
	"slipway.dev/pipelines/vault"
	"slipway.dev/server/api"
)

// pipelines is the top-level directory pipelines, composed.
type pipelines struct {
	*run.Controller
	jobs      http.Handler
	collector *joblog.Collector
	archive   *archive.Store
	builder   *build.Builder
	issuer    *idtoken.Issuer
	engine    func(context.Context) error
}

func (s *services) openPipelines(context.Context) error {
	key, err := secretFile(filepath.Join(s.conf.DataDir, "pki", "jobs.key"))
	if err != nil {
		return err
	}
	tokens, err := jobapi.NewTokens(key)
	if err != nil {
		return err
	}
	issuer, err := idtoken.Open(filepath.Join(s.conf.DataDir, "pki", "id-tokens.json"), s.conf.URL)
	if err != nil {
		return err
	}
	metrics, err := run.NewMetrics(s.metrics)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(s.cluster.pki.CA)
	if err == nil && s.conf.TLSCert != "" {
		// A certificate that is given may be for the address that jobs ask at.
		var given []byte
		given, err = os.ReadFile(s.conf.TLSCert)
		ca = slices.Concat(ca, []byte("\n"), given)
	}
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(s.conf.HTTPS)
	if err != nil {
		return err
	}
	log, mc := s.log.With("part", "pipelines"), s.manager.GetClient()
	store := joblog.NewStore(filepath.Join(s.conf.DataDir, "joblogs"))
	p := &pipelines{
		issuer:    issuer,
		collector: &joblog.Collector{Store: store, Pods: joblog.KubePods{Client: s.kube}, Log: log},
		builder:   build.New(build.Options{Address: "unix://" + s.cluster.node.BuildkitSocket(), Registry: s.conf.HTTP, TempDir: filepath.Join(s.conf.DataDir, "run")}),
	}
	if p.archive, err = archive.Open(filepath.Join(s.conf.DataDir, "runs", "archive.db")); err != nil {
		return err
	}
	vars := &variables.Store{Client: mc}
	jobServer := "https://" + net.JoinHostPort(s.cluster.nodeIP, port)
	modules := &submodule.Finder{Client: mc, Tree: s.git.Store, Servers: []string{jobServer, s.conf.URL}}
	caches := &jobcache.Store{Dir: filepath.Join(s.conf.DataDir, "cache"), Max: s.conf.CacheLimit, Room: s.disk.Room}
	artifacts := artifactStore{jobapi.Dir(filepath.Join(s.conf.DataDir, "artifacts")), s.disk}
	p.Controller = &run.Controller{
		Client: mc, Variables: vars, Reachable: s.git.Store.Reachable, Modules: modules,
		Compiler:  &run.Detector{Source: s.git.Store, Variables: vars, Reachable: s.git.Store.Reachable, Describe: source{s.git.Store}.describe, TagMessage: s.git.Store.TagMessage, Modules: modules, Nodes: s.nodeLabels, ServerURL: s.conf.URL, Elsewhere: s.elsewhere(mc)},
		Artifacts: artifacts, Archive: p.archive, LogStore: store, Logs: p.collector,
		MayStart:    s.access.mayStart,
		ServiceLogs: serviceLogs(s.kube), CacheSize: caches.Size,
		Tokens: tokens, Signer: issuer, Vaults: vault.New(outside.Guard{Private: s.conf.PrivateSources}.Transport()), Log: log, Metrics: metrics, Events: s.manager.GetEventRecorder("slipway"),
		Settings: run.Settings{
			ServerURL: jobServer, ExternalURL: s.conf.URL, MaxLog: s.conf.JobLogLimit, CA: ca,
			RunnerImage: s.cluster.refs[images.Runner], DefaultImage: s.cluster.refs[images.Toolbox],
			ArchiveAfter: s.conf.Runs.ArchiveAfter, MaxRuns: s.conf.Runs.Max, MaxJobs: s.conf.Jobs.Max,
		},
	}
	p.collector.Sealed = p.LogSealed
	if err := p.SetupWithManager(s.manager); err != nil {
		return err
	}
	if err := (&run.Pushes{Client: mc, Purge: purge(p.Controller, caches), Log: log}).SetupWithManager(s.manager); err != nil {
		return err
	}
	p.jobs = &jobapi.Server{
		Tokens: tokens, Jobs: p.Controller, Source: jobSource{s.git}, Artifacts: artifacts, Caches: caches,
		Builder: builder{p.builder, s.access}, Deployer: deployer{s.gitops.deployer},
		Services: p.Controller, Submodules: p.Controller, Images: imageStore{s.registry, registryAccess{s.access}}, Log: log,
	}
	runner := s.cluster.refs[images.Runner]
	p.engine = func(ctx context.Context) error {
		ended, err := engine.Start(ctx, s.cluster.config, engine.Images{Runner: runner}, s.log.With("part", "tekton"), engine.UpstreamDefaults(s.conf.UpstreamDefaults))
		if err != nil {
			return err
		}
		return <-ended
	}
	s.pipelines = p
	return nil
}

// purge forgets what a repository that is gone has left: its archived runs, and the caches
// of its jobs.
func purge(c *run.Controller, caches *jobcache.Store) func(context.Context, types.NamespacedName, types.UID) error {
	return func(ctx context.Context, repository types.NamespacedName, uid types.UID) error {
		err := c.Purge(ctx, repository, uid)
		if uid == "" {
			err = errors.Join(err, caches.Forget(repository.Namespace, repository.Name))
		}
		return err
	}
}

func (p *pipelines) start(work func(string, func(context.Context) error)) {
	work("tekton", p.engine)
	work("artifacts", p.ExpireArtifacts)
	work("ended task runs", p.SweepTaskRuns)
	work("archive of runs", p.ArchiveRuns)
	work("job logs", func(ctx context.Context) error {
		<-ctx.Done()
		p.collector.Wait()
		return p.builder.Close()
	})
}

// secretFile reads 32 random bytes that are made once.
func secretFile(file string) ([]byte, error) {
	key, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		err = atomicfile.Write(file, key, 0o600)
	}
	return key, err
}

// Start satisfies api.Runs.
func (p *pipelines) Start(ctx context.Context, namespace string, r api.StartRun, by string) (*slipway.Run, error) {
	return p.Controller.Start(ctx, namespace, run.StartRequest{
		Repository: r.Repository, Ref: r.Ref, Variables: r.Variables, Inputs: r.Inputs, MergeRequest: r.MergeRequest, Cause: r.Cause, By: by,
	})
}

// Form satisfies api.Runs.
func (p *pipelines) Form(ctx context.Context, namespace, repository, ref string) (any, error) {
	return p.Controller.Form(ctx, namespace, repository, ref)
}

// List, Get and Delete satisfy api.Runs.
func (p *pipelines) List(ctx context.Context, namespace, repository, after string, limit int) ([]slipway.Run, string, error) {
	return p.ListRuns(ctx, namespace, repository, after, limit)
}

// Get reads a run, also of the archive.
func (p *pipelines) Get(ctx context.Context, namespace, name string) (*slipway.Run, error) {
	return p.Run(ctx, namespace, name)
}

// Delete a run with its logs and artifacts.
func (p *pipelines) Delete(ctx context.Context, namespace, name string) error {
	return p.DeleteRun(ctx, namespace, name)
}

// Log and Artifacts satisfy api.Runs together with what Controller has.
func (p *pipelines) Log(ctx context.Context, namespace, name, job string, attempt int, follow bool) (io.ReadCloser, error) {
	r, err := p.OpenLog(ctx, namespace, name, job, attempt, follow)
	return r, notThere(err, "job %s of run %s has no log", job, name)
}

func notThere(err error, format string, args ...any) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...)}
	}
	return err
}

// jobSource is the Git store in the words of jobapi.
type jobSource struct{ *git.Host }

func (s jobSource) Snapshot(ctx context.Context, r jobapi.Snapshot, w io.Writer) error {
	return s.WriteSnapshot(ctx, git.Snapshot(r), w)
}

// builder is BuildKit in the words of jobapi; it lends each build a token.
type builder struct {
	*build.Builder
	access *access
}

func (b builder) Build(ctx context.Context, r jobapi.BuildRequest, progress io.Writer) (slipway.Image, error) {
	token, revoke, err := b.access.buildToken(ctx, r.Namespace)
	if err != nil {
		return slipway.Image{}, err
	}
	defer revoke()
	return b.Builder.Build(ctx, build.Request{
		Namespace: r.Namespace, Name: r.Name, Tag: r.Tag, Context: r.Context, Dockerfile: r.Dockerfile, DockerfileText: r.DockerfileText,
		Target: r.Target, BuildArgs: r.Args, Labels: r.Labels, Secrets: r.Secrets, NoCache: r.NoCache, Pull: r.Pull, Token: token,
	}, progress)
}

// deployer is gitops in the words of jobapi.
type deployer struct{ *release.Deployer }

func (d deployer) Wait(ctx context.Context, namespace, application string, desired slipway.Desired, progress io.Writer) error {
	_, err := d.Deployer.Wait(ctx, namespace, application, desired, progress)
	return err
}
