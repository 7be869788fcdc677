// Package source owns the way from an Application and a desired value to a rendered set:
// the commit's tree, the chart that the value names, values and keys out of the cluster,
// and the rendering child, which is told what it may know and brought what it asks for.
// A set whose inputs did not change is not rendered again.
//
// It never renders or decrypts in this process, and never writes what it applies to the
// cluster; it writes only the inputs of a desired value (Follower). Start at Renderer.
package source

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/chart"
	"slipway.dev/gitops/render"
)

// Repository gives commits; gitops/git satisfies it.
type Repository interface {
	// Checkout writes the directory subpath ("" is the root) of a commit into dir.
	Checkout(ctx context.Context, namespace, repository, commit, dir, subpath string) error
	// Commit describes one; an unknown commit is an error.
	Commit(ctx context.Context, namespace, repository, commit string) (subject, author string, at time.Time, err error)
}

// Child renders and decrypts; *render.Runner satisfies it.
type Child interface {
	Render(ctx context.Context, dir string, req render.Request) (*render.Answer, error)
	Decrypt(ctx context.Context, dir string, d render.Decryption) ([]render.Plain, error)
}

// Charts fetches packed charts; *chart.Client satisfies it.
type Charts interface {
	Resolve(ctx context.Context, ref chart.Ref) (chart.Found, error)
	Archive(ctx context.Context, ref chart.Ref, digest string) (file string, err error)
}

// Bases fetches Kustomize bases of other repositories.
type Bases interface {
	// Base writes the tree of a tag or full commit of the repository at url into dir.
	Base(ctx context.Context, url, revision, dir string) error
}

var (
	_ Child  = (*render.Runner)(nil)
	_ Charts = (*chart.Client)(nil)
)

// Renderer renders applications.
type Renderer struct {
	Repository Repository
	Child      Child
	// Reader reads values and keys, uncached.
	Reader client.Reader
	Charts Charts
	// Bases is nil where remote bases are not allowed.
	Bases Bases
	// Cluster says what is known of an application's target; nil: nothing.
	Cluster func(ctx context.Context, app *v1alpha1.Application) (render.Cluster, error)
	// Key is this cluster's secret: of it come the seeds of charts and the digests of
	// values.
	Key func(ctx context.Context) ([]byte, error)
	// Cache is nil where everything is rendered each time.
	Cache *Cache
	// WorkDir for checked-out trees.
	WorkDir string
}

// maxRounds is how often a rendering may need more.
const maxRounds = 6

// Render renders what is desired. What will not work by trying again is a *render.Error.
func (r *Renderer) Render(ctx context.Context, app *v1alpha1.Application, desired v1alpha1.Desired) (*render.Set, error) {
	w := work{Renderer: r, app: app, desired: desired}
	if err := w.prepare(ctx); err != nil {
		return nil, err
	}
	key := w.key()
	if set := r.Cache.find(ctx, &w, key); set != nil {
		return set, nil
	}
	answer, err := w.render(ctx)
	if err != nil {
		return nil, err
	}
	answer.Set.Hidden = w.hidden.list()
	r.Cache.add(ctx, &w, key, answer)
	return answer.Set, nil
}

// Sweep removes the trees that a server before this one left when it was killed: there
// may be decrypted files in them. Call it before the first rendering.
func (r *Renderer) Sweep() error {
	left, err := filepath.Glob(filepath.Join(r.WorkDir, workPrefix+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

const workPrefix = "render-"

// work is one rendering.
type work struct {
	*Renderer
	app     *v1alpha1.Application
	desired v1alpha1.Desired
	req     render.Request
	hidden  hidden
	dir     string
	// fill writes the tree where it is not that of the commit.
	fill func(dir string) error
	// decrypted files, so that none is asked for twice.
	decrypted map[string]bool
}

func destination(app *v1alpha1.Application) string {
	if app.Spec.Namespace != "" {
		return app.Spec.Namespace
	}
	return app.Namespace
}

// prepare makes the request, but for what is brought into the tree.
func (w *work) prepare(ctx context.Context) error {
	s := w.app.Spec.Source
	w.req = render.Request{
		Path: s.Path, Recurse: s.Recurse, Renderer: s.Renderer, Images: w.desired.Images, Namespace: destination(w.app), Application: w.app.Name,
		Renew: w.app.Spec.WriteBack != nil && w.app.Spec.WriteBack.Images, Decryption: s.Decryption != nil, RemoteBases: w.Bases != nil,
	}
	if w.Cluster != nil {
		var err error
		if w.req.Cluster, err = w.Cluster(ctx, w.app); err != nil {
			return fmt.Errorf("what the cluster can do: %w", err)
		}
	}
	key, err := w.Key(ctx)
	if err != nil {
		return err
	}
	w.req.Chart = render.Chart{Seed: derive(key, "seed", w.app.Namespace, w.app.Name)}
	if w.req.Chart.Time, err = w.time(ctx); err != nil {
		return err
	}
	h := s.Helm
	if h == nil {
		return nil
	}
	w.req.Renderer = v1alpha1.RendererHelm
	w.req.Chart.Release, w.req.Chart.ValueFiles, w.req.Chart.SkipCRDs = h.ReleaseName, h.ValueFiles, h.SkipCRDs
	w.req.Chart.FilesOfChart, w.req.Chart.IgnoreMissing = s.Repository == "", h.IgnoreMissingValueFiles
	values, err := w.values(ctx, w.app, &w.hidden)
	if err != nil {
		return err
	}
	if in := w.desired.Inputs; in != nil && in.Values != "" && in.Values != valuesDigest(key, w.app, values) {
		return ErrChanged
	}
	for _, v := range values {
		w.req.Chart.Values = append(w.req.Chart.Values, render.Values{From: v.from, Text: v.text})
	}
	if h.Repository == "" {
		return nil
	}
	if w.desired.Inputs == nil || w.desired.Inputs.Digest == "" {
		return errors.New("the chart that is desired is not known yet")
	}
	w.req.Chart.Archive = filepath.Join(render.BroughtDir, "chart.tgz")
	return nil
}

// ErrChanged: what a value was written for is not there any more; a new value comes.
var ErrChanged = errors.New("the values of ConfigMaps, Secrets or spec.source changed since; a new release of them follows")

// time is what templates take for now: when the commit was made, or, without one, when
// the chart was found.
func (w *work) time(ctx context.Context) (time.Time, error) {
	if w.app.Spec.Source.Repository != "" && w.desired.Commit != "" {
		_, _, at, err := w.Repository.Commit(ctx, w.app.Namespace, w.app.Spec.Source.Repository, w.desired.Commit)
		return at.UTC(), err
	}
	if in := w.desired.Inputs; in != nil && in.At != nil {
		return in.At.UTC(), nil
	}
	return w.app.CreationTimestamp.UTC(), nil
}

// readable opens the tree to the child, which runs as nobody, whatever our umask
// is. The directory above stays closed to everybody else.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.Chmod(p, 0o755)
		case e.Type().IsRegular():
			return os.Chmod(p, 0o644)
		}
		return nil
	})
}

// derive makes a secret for one purpose.
func derive(key []byte, purpose ...string) []byte {
	mac := hmac.New(sha256.New, key)
	text, _ := json.Marshal(purpose)
	mac.Write(text)
	return mac.Sum(nil)
}
