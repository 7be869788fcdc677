package api

import (
	"context"
	"io"
	"net/http"
	"path"
	"strconv"
)

// Browser is what the API asks of gitops about what is in repositories. A revision is
// a branch, a tag, a commit, the beginning of one, or empty for the default branch.
type Browser interface {
	// Refs lists branches and tags.
	Refs(ctx context.Context, namespace, repository string) (any, error)
	// Tree lists one directory.
	Tree(ctx context.Context, namespace, repository, revision, path string) (any, error)
	// File is one file as it is shown: text in full, or why there is none.
	File(ctx context.Context, namespace, repository, revision, path string) (any, error)
	// Raw opens one file of any size.
	Raw(ctx context.Context, namespace, repository, revision, path string) (io.ReadCloser, error)
	// Commits lists a page of a history, of a path where one is given.
	Commits(ctx context.Context, namespace, repository, revision, path string, skip, limit int) (any, error)
	// Commit is one commit with what it changed.
	Commit(ctx context.Context, namespace, repository, revision string) (any, error)
	// Compare is what to has over from since they were the same.
	Compare(ctx context.Context, namespace, repository, from, to string) (any, error)
}

// browseRoutes show what is in a repository to those who may read it.
func browseRoutes(ns string) []Route {
	const get, repos = "get", "repositories"
	at := ns + "/repositories/{name}"
	return []Route{
		{"GET", at + "/refs", get, repos, "branches and tags", browse(func(s *server, r *request) (any, error) {
			return s.Browser.Refs(r.Context(), r.ns, r.name)
		})},
		{"GET", at + "/tree", get, repos, "a directory: ?ref=&path=", browse(func(s *server, r *request) (any, error) {
			return s.Browser.Tree(r.Context(), r.ns, r.name, r.query("ref"), r.query("path"))
		})},
		{"GET", at + "/file", get, repos, "a file as text, if it is one: ?ref=&path=", browse(func(s *server, r *request) (any, error) {
			return s.Browser.File(r.Context(), r.ns, r.name, r.query("ref"), r.query("path"))
		})},
		{"GET", at + "/raw", get, repos, "a file as it is, to be saved: ?ref=&path=", (*server).rawFile},
		{"GET", at + "/commits", get, repos, "a page of a history: ?ref=&path=&skip=&limit=", (*server).listCommits},
		{"GET", at + "/commits/{commit}", get, repos, "a commit and what it changed", browse(func(s *server, r *request) (any, error) {
			return s.Browser.Commit(r.Context(), r.ns, r.name, r.PathValue("commit"))
		})},
		{"GET", at + "/compare", get, repos, "what one revision has over another: ?from=&to=", browse(func(s *server, r *request) (any, error) {
			return s.Browser.Compare(r.Context(), r.ns, r.name, r.query("from"), r.query("to"))
		})},
	}
}

// request is one that names a repository.
type request struct {
	*http.Request
	ns, name string
}

func (r *request) query(key string) string { return r.URL.Query().Get(key) }

func ofRepository(r *http.Request) (*request, error) {
	name, err := pathName(r, "name")
	return &request{r, r.PathValue("ns"), name}, err
}

// browse answers with what look finds.
func browse(look func(*server, *request) (any, error)) handler {
	return func(s *server, w http.ResponseWriter, r *http.Request) error {
		q, err := ofRepository(r)
		if err != nil {
			return err
		}
		found, err := look(s, q)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, found)
		return nil
	}
}

func (s *server) listCommits(w http.ResponseWriter, r *http.Request) error {
	skip, limit := 0, 50
	for key, at := range map[string]*int{"skip": &skip, "limit": &limit} {
		if v := r.URL.Query().Get(key); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 || n > 10_000_000 {
				return refuse(http.StatusBadRequest, "", "%s %q: want a number from 0", key, v)
			}
			*at = n
		}
	}
	return browse(func(s *server, q *request) (any, error) {
		return s.Browser.Commits(q.Context(), q.ns, q.name, q.query("ref"), q.query("path"), skip, limit)
	})(s, w, r)
}

func (s *server) rawFile(w http.ResponseWriter, r *http.Request) error {
	q, err := ofRepository(r)
	if err != nil {
		return err
	}
	name := q.query("path")
	if name == "" {
		return refuse(http.StatusBadRequest, "such as ?path=docs/index.md; …/tree lists them", "path: missing")
	}
	f, err := s.Browser.Raw(r.Context(), q.ns, q.name, q.query("ref"), name)
	if err != nil {
		return err
	}
	defer f.Close()
	attachment(w, path.Base(name))
	return stream(w, f)
}
