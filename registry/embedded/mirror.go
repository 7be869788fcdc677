package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/singleflight"
)

const (
	// With a local copy at hand an upstream has this long to say whether a tag moved.
	revalidateTimeout = 3 * time.Second
	// Without one it is worth waiting.
	resolveTimeout = 20 * time.Second
	blobTimeout    = time.Hour
	// After a failure the local copy serves this long before the next question.
	failureRest = 30 * time.Second
)

// mirror keeps local copies of upstream images. Each thing is fetched once,
// however many ask for it at the same time, and goes on being fetched when the
// one who asked first has gone away.
type mirror struct {
	upstreams  map[string]*upstream
	revalidate time.Duration
	marks      seedMarks
	log        *slog.Logger
	metrics    *metrics
	// local is set when distribution hands over its namespace.
	local distribution.Namespace

	flight singleflight.Group
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu sync.Mutex
	// due says when a tag must be asked for again.
	due map[string]time.Time
}

func newMirror(o Options, m *metrics) (*mirror, error) {
	ctx, stop := context.WithCancel(context.Background())
	mi := &mirror{
		upstreams: map[string]*upstream{}, revalidate: o.Revalidate, marks: seedMarks{o.Dir},
		log: o.Logger, metrics: m, ctx: ctx, stop: stop, due: map[string]time.Time{},
	}
	for _, u := range o.Upstreams {
		up, err := newUpstream(u)
		if err != nil {
			stop()
			return nil, err
		}
		n, err := ParseName(upstreamKey(u.Host) + "/x")
		if err != nil || n.Kind != Upstream {
			stop()
			return nil, fmt.Errorf("upstream registry %q: not a host name with a dot or a port in it", u.Host)
		}
		mi.upstreams[n.Owner] = up
	}
	return mi, nil
}

// wait ends what is being fetched.
func (m *mirror) wait() {
	m.stop()
	m.work.Wait()
	for _, u := range m.upstreams {
		u.transport.CloseIdleConnections()
	}
}

// once runs fetch for a key, alone and detached from the request.
func (m *mirror) once(ctx context.Context, key string, timeout time.Duration, fetch func(ctx context.Context) error) error {
	done := m.flight.DoChan(key, func() (any, error) {
		m.work.Add(1)
		defer m.work.Done()
		fctx, cancel := context.WithTimeout(m.ctx, timeout)
		defer cancel()
		return nil, fetch(fctx)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *mirror) count(u *upstream, kind string, err error) {
	result := "ok"
	switch {
	case errors.Is(err, errNotThere):
		result = "not_found"
	case err != nil:
		result = "error"
	}
	m.metrics.upstream.WithLabelValues(u.host, kind, result).Inc()
}

func (m *mirror) isDue(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().After(m.due[key])
}

func (m *mirror) setDue(key string, in time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.due) > 1<<16 {
		clear(m.due)
	}
	m.due[key] = time.Now().Add(in)
}

// refreshTag makes the local tag what the upstream's is.
func (m *mirror) refreshTag(ctx context.Context, u *upstream, repo reference.Named, path, tag string, timeout time.Duration) error {
	key := repo.Name() + ":" + tag
	return m.once(ctx, "tag "+key, timeout+resolveTimeout, func(ctx context.Context) error {
		hctx, cancel := context.WithTimeout(ctx, timeout)
		dgst, err := u.resolve(hctx, path, tag)
		cancel()
		m.count(u, "tag", err)
		if err != nil {
			return err
		}
		local, err := m.local.Repository(ctx, repo)
		if err != nil {
			return err
		}
		if err := m.storeManifest(ctx, u, local, path, dgst); err != nil {
			return err
		}
		if err := local.Tags(ctx).Tag(ctx, tag, v1.Descriptor{Digest: dgst}); err != nil {
			return err
		}
		m.setDue(key, m.revalidate)
		return nil
	})
}

func (m *mirror) fetchManifest(ctx context.Context, u *upstream, repo reference.Named, path string, dgst digest.Digest) error {
	return m.once(ctx, "manifest "+repo.Name()+"@"+dgst.String(), resolveTimeout, func(ctx context.Context) error {
		local, err := m.local.Repository(ctx, repo)
		if err != nil {
			return err
		}
		return m.storeManifest(ctx, u, local, path, dgst)
	})
}

func (m *mirror) storeManifest(ctx context.Context, u *upstream, local distribution.Repository, path string, dgst digest.Digest) error {
	manifests, err := local.Manifests(ctx, storage.SkipLayerVerification())
	if err != nil {
		return err
	}
	if ok, err := manifests.Exists(ctx, dgst); err == nil && ok {
		return nil
	}
	mediaType, raw, err := u.manifest(ctx, path, dgst)
	m.count(u, "manifest", err)
	if err != nil {
		return err
	}
	parsed, _, err := distribution.UnmarshalManifest(mediaType, raw)
	if err != nil {
		return fmt.Errorf("%s: manifest %s: %w", u.host, dgst, err)
	}
	_, err = manifests.Put(ctx, parsed)
	return err
}

// fetchBlob stores a blob; the commit checks its digest.
func (m *mirror) fetchBlob(ctx context.Context, u *upstream, repo reference.Named, path string, dgst digest.Digest) error {
	return m.once(ctx, "blob "+repo.Name()+"@"+dgst.String(), blobTimeout, func(ctx context.Context) error {
		local, err := m.local.Repository(ctx, repo)
		if err != nil {
			return err
		}
		blobs := local.Blobs(ctx)
		if _, err := blobs.Stat(ctx, dgst); err == nil {
			return nil
		}
		from, err := u.blob(ctx, path, dgst)
		m.count(u, "blob", err)
		if err != nil {
			return err
		}
		defer from.Close()
		to, err := blobs.Create(ctx)
		if err != nil {
			return err
		}
		if _, err = io.Copy(to, from); err == nil {
			_, err = to.Commit(ctx, v1.Descriptor{Digest: dgst})
		}
		if err != nil {
			return errors.Join(err, to.Cancel(context.WithoutCancel(ctx)))
		}
		return nil
	})
}
