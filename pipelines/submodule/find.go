package submodule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Tree reads commits. What is not there is fs.ErrNotExist.
type Tree interface {
	File(ctx context.Context, namespace, repository, commit, path string) ([]byte, error)
	// Gitlink is the commit of the submodule that the commit has at path.
	Gitlink(ctx context.Context, namespace, repository, commit, path string) (string, error)
	Exists(ctx context.Context, namespace, repository, commit, path string) (bool, error)
}

// Finder finds submodules among the repositories of one server.
type Finder struct {
	Client client.Reader
	Tree   Tree
	// Servers are the addresses of this server: that which jobs reach it at, and others.
	Servers []string
	// Namespace of addresses that name none. Default "default".
	Namespace string
}

// Found is a submodule that this server has.
type Found struct {
	// Path from the root of the repository; Parent is that of the submodule it is in.
	Path, Parent string
	Name         string
	// URL that jobs read it at.
	URL string
	// Repository of the namespace, and the commit.
	Repository, Commit string
}

// RefusedError says why a submodule cannot be had.
type RefusedError struct{ Path, Reason, Hint string }

func (e *RefusedError) Error() string {
	text := e.Reason
	if e.Path != "" {
		text = fmt.Sprintf("submodule %s: %s", e.Path, e.Reason)
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Find the submodules of a commit for jobs of the repository, those within them too if
// recursive; of the first level only those among the chosen paths. One that cannot be
// had is a *RefusedError.
func (f *Finder) Find(ctx context.Context, repo *v1alpha1.Repository, commit string, recursive bool, chosen []string) ([]Found, error) {
	s := search{Finder: f, reader: repo.Name}
	list := &v1alpha1.RepositoryList{}
	if err := f.Client.List(ctx, list, client.InNamespace(repo.Namespace)); err != nil {
		return nil, err
	}
	s.repositories = list.Items
	err := s.in(ctx, repo, commit, "", chosen, recursive, 1)
	return s.found, err
}

type search struct {
	*Finder
	reader       string
	repositories []v1alpha1.Repository
	found        []Found
}

func (s *search) in(ctx context.Context, repo *v1alpha1.Repository, commit, parent string, chosen []string, recursive bool, depth int) error {
	refuse := func(p, hint, format string, args ...any) error {
		return &RefusedError{path.Join(parent, p), fmt.Sprintf(format, args...), hint}
	}
	data, err := s.Tree.File(ctx, repo.Namespace, repo.Name, commit, File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	modules, err := Parse(data)
	if err != nil {
		return refuse("", "", "%s", err)
	}
	if depth > maxNested {
		return refuse("", "", "submodules are in one another more than %d deep", maxNested)
	}
	for _, m := range modules {
		if depth == 1 && !Wanted(m.Path, chosen) {
			continue
		}
		link, err := s.Tree.Gitlink(ctx, repo.Namespace, repo.Name, commit, m.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // listed, and not there: git passes over it too
		}
		if err != nil {
			return err
		}
		address := absolute(s.address(repo), m.URL)
		sub := s.repository(repo.Namespace, address)
		switch {
		case sub == nil:
			hint := "mirror it here: slipway repo add NAME " + shown(address)
			if address == "" {
				hint = "correct its url"
			}
			return refuse(m.Path, hint, "%q is no repository of this server", shown(m.URL))
		case !sub.ReadableBy(s.reader):
			return refuse(m.Path, fmt.Sprintf(`allow it there: spec.readableByJobs: [%s]`, s.reader),
				"repository %s does not let jobs of %s read it", sub.Name, s.reader)
		}
		if _, err := s.Tree.Exists(ctx, sub.Namespace, sub.Name, link, ""); errors.Is(err, fs.ErrNotExist) {
			return refuse(m.Path, "push it there", "repository %s has no commit %.12s", sub.Name, link)
		} else if err != nil {
			return err
		}
		if len(s.found) == maxModules {
			return refuse("", "", "there are more than %d submodules", maxModules)
		}
		one := Found{Path: path.Join(parent, m.Path), Parent: parent, Name: m.Name, URL: s.served(sub), Repository: sub.Name, Commit: link}
		s.found = append(s.found, one)
		if recursive {
			if err := s.in(ctx, sub, link, one.Path, nil, true, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// address that a repository's relative submodules start from.
func (s *search) address(repo *v1alpha1.Repository) string {
	if repo.Spec.URL != "" {
		return repo.Spec.URL
	}
	return s.served(repo)
}

func (s *search) served(repo *v1alpha1.Repository) string {
	if len(s.Servers) == 0 {
		return ""
	}
	return strings.TrimSuffix(s.Servers[0], "/") + "/git/" + repo.Namespace + "/" + repo.Name + ".git"
}

// repository of the namespace that the address is: hosted here, or a mirror of it.
func (s *search) repository(namespace, address string) *v1alpha1.Repository {
	at := place(address)
	if at == "" {
		return nil
	}
	name := ""
	for _, server := range s.Servers {
		rest, ok := strings.CutPrefix(at, place(strings.TrimSuffix(server, "/")+"/git")+"/")
		if !ok {
			continue
		}
		ns, repo, both := strings.Cut(rest, "/")
		if !both {
			ns, repo = s.Namespace, rest
			if ns == "" {
				ns = "default"
			}
		}
		if ns == namespace {
			name = repo
		}
	}
	for i := range s.repositories {
		r := &s.repositories[i]
		if r.Name == name || r.Spec.URL != "" && place(r.Spec.URL) == at {
			return r
		}
	}
	return nil
}
