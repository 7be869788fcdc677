package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/revision"
)

// Footprint is what a path of a commit is: what Footprints of gitops/git says.
type Footprint struct {
	Hash    string
	Outward bool
}

// Footprints looks at paths of a commit, all at once.
type Footprints func(ctx context.Context, namespace, repository, commit string, paths []string) ([]Footprint, error)

// annotationSource is a digest of the source that the desired value was written for: of
// another source, an unchanged directory says nothing.
const annotationSource = "slipway.dev/desired-source"

func sourceDigest(app *v1alpha1.Application) string {
	b, err := json.Marshal(app.Spec.Source)
	if err != nil {
		return "" // like none: nothing is taken as unchanged
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// watched are the paths of its repository that an application is made of, the
// directory first. Given source.watchPaths, it is those and the directory; otherwise, a
// directory that leads out of itself makes it the whole repository.
func watched(app *v1alpha1.Application) []string {
	s := &app.Spec.Source
	dir := path.Clean(s.Path)
	if s.Path == "" {
		dir = "deploy"
	}
	out := []string{strings.TrimPrefix(dir, "/")}
	if s.Helm != nil {
		for _, f := range s.Helm.ValueFiles {
			if strings.HasPrefix(f, "/") {
				out = append(out, strings.TrimPrefix(path.Clean(f), "/"))
			} else {
				out = append(out, path.Join(out[0], f))
			}
		}
	}
	for _, p := range s.WatchPaths {
		out = append(out, strings.TrimPrefix(path.Clean(p), "/"))
	}
	return append(out, "")
}

// looks remembers, for several at once, the footprints of one repository while its applications are offered
// its heads: each commit is opened once, for all of them.
type looks struct {
	ask    Footprints
	repo   *v1alpha1.Repository
	finder *revision.Finder
	paths  []string
	mu     sync.Mutex
	seen   map[string]map[string]Footprint
}

func (l *looks) at(ctx context.Context, commit string) (map[string]Footprint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.seen[commit]; ok {
		return known, nil
	}
	found, err := l.ask(ctx, l.repo.Namespace, l.repo.Name, commit, l.paths)
	if err != nil {
		return nil, err
	}
	known := map[string]Footprint{}
	for i, p := range l.paths {
		known[p] = found[i]
	}
	l.seen[commit] = known
	return known, nil
}

// unchanged says whether everything that the application is made of is the same in the
// commit that it has and in the one that it is offered. In doubt it is not.
func (l *looks) unchanged(ctx context.Context, app *v1alpha1.Application, have, offered string) (bool, error) {
	if l.ask == nil || app.Annotations[annotationSource] != sourceDigest(app) {
		return false, nil
	}
	if r := app.Status.Refused; r != nil && r.Commit == have {
		return false, nil // a new commit is a new try
	}
	before, err := l.at(ctx, have)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // a history that was forced away
	}
	if err != nil {
		return false, err
	}
	after, err := l.at(ctx, offered)
	if err != nil {
		return false, err
	}
	paths := watched(app)
	dir, root := paths[0], paths[len(paths)-1]
	if after[dir].Hash == "" {
		return false, nil
	}
	if len(app.Spec.Source.WatchPaths) == 0 && after[dir].Outward {
		return before[root].Hash == after[root].Hash, nil
	}
	return !slices.ContainsFunc(paths[:len(paths)-1], func(p string) bool { return before[p].Hash != after[p].Hash }), nil
}

// note that a push changed nothing of the application, where people look.
func (s *SyncOnPush) note(ctx context.Context, app *v1alpha1.Application, offered *v1alpha1.Desired) error {
	before := app.DeepCopy()
	app.Status.Unchanged = &v1alpha1.UnchangedPush{Commit: offered.Commit, Sequence: offered.Sequence, By: offered.By}
	s.Log.Info("push changes nothing", "namespace", app.Namespace, "application", app.Name, "commit", offered.Commit)
	return client.IgnoreNotFound(s.Client.Status().Patch(ctx, app, client.MergeFrom(before)))
}
