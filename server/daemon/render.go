package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/outside"
	"slipway.dev/gitops/chart"
	"slipway.dev/gitops/git"
	"slipway.dev/gitops/release"
	"slipway.dev/gitops/render"
	sources "slipway.dev/gitops/source"
)

// renderer composes what renders applications: the children, the charts, the cache.
func (s *services) renderer(reader client.Reader, store *release.Store) (*sources.Renderer, error) {
	runner := &render.Runner{BinDir: s.cluster.bin}
	guard := outside.Guard{Private: s.conf.PrivateSources}
	capabilities := &sources.Capabilities{Discovery: s.kube.Discovery()}
	r := &sources.Renderer{
		Repository: source{s.git.Store}, Child: runner, Reader: reader, Cluster: capabilities.Of, Key: store.Key,
		Charts: &chart.Client{Dir: filepath.Join(s.conf.DataDir, "charts"), Guard: guard, Index: runner, Own: s.registry.Transport()},
		Cache: &sources.Cache{
			Dir: filepath.Join(s.conf.DataDir, "rendered"), Footprints: source{s.git.Store}.looks, Sets: store,
			Version: program(), Log: s.log.With("part", "rendering"),
		},
		WorkDir: filepath.Join(s.conf.DataDir, "run"),
	}
	for outcome, count := range map[string]func() int64{
		"hit":  func() int64 { hits, _ := r.Cache.Counts(); return hits },
		"miss": func() int64 { _, misses := r.Cache.Counts(); return misses },
	} {
		s.metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "slipway_render_cache_total", Help: "Renderings whose set was known, and those that were done.", ConstLabels: prometheus.Labels{"outcome": outcome},
		}, func() float64 { return float64(count()) }))
	}
	if s.conf.RemoteBases {
		r.Bases = bases{&git.Bases{
			Host:   &git.Host{Store: &git.Store{Dir: filepath.Join(s.conf.DataDir, "bases")}, Log: s.log.With("part", "bases"), Disk: s.disk},
			Remote: git.Remote{Private: s.conf.PrivateSources},
		}}
	}
	return r, r.Sweep()
}

// program names this build: another one may render otherwise.
func program() string {
	info, err := os.Stat("/proc/self/exe")
	if err != nil {
		return ""
	}
	return strconv.FormatInt(info.Size(), 36) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 36)
}

// looks is what paths of a commit are, in the words of gitops/source.
func (s source) looks(ctx context.Context, namespace, repository, commit string, paths []string) ([]sources.Footprint, error) {
	found, err := s.Store.Footprints(ctx, namespace, repository, commit, paths)
	out := make([]sources.Footprint, len(found))
	for i, f := range found {
		out[i] = sources.Footprint(f)
	}
	return out, err
}

// bases is gitops/git in the words of gitops/source: what stays wrong is a refusal.
type bases struct{ *git.Bases }

func (b bases) Base(ctx context.Context, url, revision, dir string) error {
	err := b.Bases.Base(ctx, url, revision, dir)
	for _, stays := range []error{outside.ErrAddress, git.ErrName, git.ErrRevision, git.ErrNotFound, git.ErrLimit} {
		if errors.Is(err, stays) {
			return render.Refuse("", 0, "%v", err)
		}
	}
	return err
}
