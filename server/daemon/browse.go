package daemon

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/git"
	"slipway.dev/server/api"
)

// browser is the Git store in the words of api.Browser.
type browser struct {
	host *git.Host
	repo client.Reader
}

// look resolves a revision; empty is the default branch.
func (b browser) look(ctx context.Context, namespace, repository, revision string) (string, error) {
	if revision == "" {
		main, err := b.main(ctx, namespace, repository)
		if err != nil {
			return "", err
		}
		if main == "" {
			return "", &api.Error{Status: http.StatusNotFound, Message: "repository " + repository + " has no commit yet", Hint: "push one"}
		}
		revision = "refs/heads/" + main
	}
	commit, err := b.host.Look(ctx, namespace, repository, revision)
	return commit, seen(err)
}

func (b browser) main(ctx context.Context, namespace, repository string) (string, error) {
	var repo slipway.Repository
	err := b.repo.Get(ctx, client.ObjectKey{Namespace: namespace, Name: repository}, &repo)
	if repo.Spec.DefaultBranch != "" {
		if _, there := repo.Status.Refs["refs/heads/"+repo.Spec.DefaultBranch]; there {
			return repo.Spec.DefaultBranch, err
		}
	}
	return repo.Status.DefaultBranch, err
}

// seen puts what a person can do something about into the API's words.
func seen(err error) error {
	for of, status := range map[error]int{git.ErrNotFound: http.StatusNotFound, git.ErrName: http.StatusBadRequest, git.ErrLimit: http.StatusRequestEntityTooLarge} {
		if errors.Is(err, of) {
			return &api.Error{Status: status, Message: err.Error()}
		}
	}
	return err
}

// gitRef is a branch or tag as the API lists it.
type gitRef struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"` // branch, tag
	Commit  string `json:"commit"`
	Default bool   `json:"default,omitempty"`
}

func (b browser) Refs(ctx context.Context, namespace, repository string) (any, error) {
	main, err := b.main(ctx, namespace, repository)
	if err != nil {
		return nil, err
	}
	all, err := b.host.Refs(ctx, namespace, repository)
	if err != nil && !errors.Is(err, git.ErrNotFound) { // nothing pushed yet
		return nil, err
	}
	items := []gitRef{}
	for ref, commit := range all {
		r := gitRef{Name: strings.TrimPrefix(ref, "refs/tags/"), Kind: "tag", Commit: commit}
		if branch, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			r.Name, r.Kind, r.Default = branch, "branch", branch == main
		}
		items = append(items, r)
	}
	slices.SortFunc(items, func(x, y gitRef) int {
		return strings.Compare(x.Kind+" "+x.Name, y.Kind+" "+y.Name)
	})
	return map[string]any{"items": items, "defaultBranch": main}, nil
}

func (b browser) Tree(ctx context.Context, namespace, repository, revision, path string) (any, error) {
	commit, err := b.look(ctx, namespace, repository, revision)
	if err != nil {
		return nil, err
	}
	items, err := b.host.Tree(ctx, namespace, repository, commit, path)
	return map[string]any{"commit": commit, "path": path, "items": items}, seen(err)
}

func (b browser) File(ctx context.Context, namespace, repository, revision, path string) (any, error) {
	commit, err := b.look(ctx, namespace, repository, revision)
	if err != nil {
		return nil, err
	}
	f, err := b.host.Show(ctx, namespace, repository, commit, path)
	return struct {
		Commit string `json:"commit"`
		git.Blob
	}{commit, f}, seen(err)
}

func (b browser) Raw(ctx context.Context, namespace, repository, revision, path string) (io.ReadCloser, error) {
	commit, err := b.look(ctx, namespace, repository, revision)
	if err != nil {
		return nil, err
	}
	r, _, err := b.host.Open(ctx, namespace, repository, commit, path)
	return r, seen(err)
}

func (b browser) Commits(ctx context.Context, namespace, repository, revision, path string, skip, limit int) (any, error) {
	commit, err := b.look(ctx, namespace, repository, revision)
	if err != nil {
		return nil, err
	}
	page, err := b.host.History(ctx, namespace, repository, commit, path, skip, limit)
	return page, seen(err)
}

func (b browser) Commit(ctx context.Context, namespace, repository, revision string) (any, error) {
	commit, err := b.look(ctx, namespace, repository, revision)
	if err != nil {
		return nil, err
	}
	c, d, err := b.host.CommitDiff(ctx, namespace, repository, commit)
	return struct {
		git.Commit
		Diff git.Diff `json:"diff"`
	}{c, d}, seen(err)
}

func (b browser) Compare(ctx context.Context, namespace, repository, from, to string) (any, error) {
	var commits [2]string
	for i, revision := range []string{from, to} {
		var err error
		if commits[i], err = b.look(ctx, namespace, repository, revision); err != nil {
			return nil, err
		}
	}
	c, err := b.host.Compare(ctx, namespace, repository, commits[0], commits[1])
	return struct {
		From string `json:"from"`
		To   string `json:"to"`
		git.Comparison
	}{commits[0], commits[1], c}, seen(err)
}
