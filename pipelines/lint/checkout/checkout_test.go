package checkout

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"slipway.dev/pipelines/gitlab"
)

type work struct {
	t    *testing.T
	dir  string
	repo *git.Repository
}

func newWork(t *testing.T) *work {
	dir := filepath.Join(t.TempDir(), "My Shop")
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}})
	if err != nil {
		t.Fatal(err)
	}
	return &work{t, dir, repo}
}

func (w *work) write(files ...string) {
	w.t.Helper()
	for i := 0; i < len(files); i += 2 {
		p := filepath.Join(w.dir, files[i])
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(files[i+1]), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *work) commit() plumbing.Hash {
	w.t.Helper()
	tree, err := w.repo.Worktree()
	if err == nil {
		err = tree.AddWithOptions(&git.AddOptions{All: true})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	hash, err := tree.Commit("Sell shoes\n\nAnd socks.\n", &git.CommitOptions{AllowEmptyCommits: true,
		Author: &object.Signature{Name: "Ada", Email: "ada@example.org", When: time.Unix(1, 0)}})
	if err != nil {
		w.t.Fatal(err)
	}
	return hash
}

func (w *work) branch(name string) {
	w.t.Helper()
	tree, err := w.repo.Worktree()
	if err == nil {
		err = tree.Checkout(&git.CheckoutOptions{Branch: plumbing.NewBranchReferenceName(name), Create: true})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *work) open(file string) (*Tree, string) {
	w.t.Helper()
	tree, path, err := Open(filepath.Join(w.dir, file))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { tree.Close() })
	return tree, path
}

func TestFilesAreThoseOfTheWorkTree(t *testing.T) {
	w := newWork(t)
	w.write("a", "1", "gone", "1", "ci/main.yml", "x", ".gitignore", "ignored/\n")
	w.commit()
	w.write("a", "2", "new/file", "1", "ignored/file", "1")
	if err := os.Remove(filepath.Join(w.dir, "gone")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(w.dir, "link")); err != nil {
		t.Fatal(err)
	}
	tree, path := w.open("ci/main.yml")
	list, err := tree.List()
	if want := []string{".gitignore", "a", "ci/main.yml", "link", "new/file"}; err != nil || path != "ci/main.yml" || !slices.Equal(list, want) {
		t.Errorf("%q %q %v", path, list, err)
	}
	if b, err := tree.File("a"); err != nil || string(b) != "2" {
		t.Errorf("%q %v", b, err)
	}
	for _, name := range []string{"gone", "../secret", "/etc/passwd", "nowhere/x"} {
		if _, err := tree.File(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := tree.File("link"); err == nil {
		t.Errorf("a link out of the tree was followed: %q", b)
	}
}

func TestChanged(t *testing.T) {
	w := newWork(t)
	w.write("a", "1", "b", "1", "c", "1")
	w.commit()
	w.branch("topic")
	w.write("b", "2")
	first := w.commit()
	w.write("c", "2")
	w.commit()
	w.write("d", "uncommitted")
	tree, _ := w.open("a")
	for from, want := range map[string]string{
		"main": "b c d", "refs/heads/main": "b c d", first.String(): "c d", "topic": "d", "HEAD": "error", strings.Repeat("1", 40): "error",
	} {
		paths, err := tree.Changed(from)
		got := strings.Join(paths, " ")
		if err != nil {
			got = "error"
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", from, err)
			}
		}
		if got != want {
			t.Errorf("since %s: %q %v, want %q", from, got, err, want)
		}
	}
	in := tree.Context("")
	if in.Before != first.String() || in.Branch != "topic" || in.DefaultBranch != "main" || in.ProjectName != "my-shop" ||
		in.Author != "Ada <ada@example.org>" || in.Message != "Sell shoes\n\nAnd socks.\n" {
		t.Errorf("%+v", in)
	}
}

func TestContextOfRefs(t *testing.T) {
	w := newWork(t)
	w.write("a", "1")
	hash := w.commit()
	if _, err := w.repo.CreateTag("v1", hash, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{"https://example.com/x.git"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.repo.Storer.SetReference(plumbing.NewSymbolicReference("refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")); err != nil {
		t.Fatal(err)
	}
	tree, _ := w.open("a")
	for ref, want := range map[string][3]string{
		"": {"refs/heads/main", "main", ""}, "dev": {"refs/heads/dev", "dev", ""}, "v1": {"refs/tags/v1", "", "v1"},
		"refs/tags/v9": {"refs/tags/v9", "", "v9"}, "refs/heads/v1": {"refs/heads/v1", "v1", ""},
	} {
		if in := tree.Context(ref); [3]string{in.Ref, in.Branch, in.Tag} != want || in.DefaultBranch != "trunk" {
			t.Errorf("%q: %+v", ref, in)
		}
	}
}

// Outside of a repository, and in one without a commit, files are found all the same.
func TestWithoutCommits(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.yml", "b.yml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x: {script: y}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree, path, err := Open(filepath.Join(dir, "a.yml"))
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if list, err := tree.List(); err != nil || path != "a.yml" || !slices.Equal(list, []string{"a.yml", "b.yml"}) {
		t.Errorf("%v %v", list, err)
	}
	if _, err := tree.Changed("main"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	w := newWork(t)
	w.write("ci.yml", "include: [other/*.yml]\na: {script: x, rules: [{exists: [other/*]}]}\n", "other/b.yml", "b: {script: y}\n")
	tree, path = w.open("ci.yml")
	content, err := tree.File(path)
	if err != nil {
		t.Fatal(err)
	}
	p, problems := gitlab.Compile(path, content, tree.Context(""))
	if len(problems) > 0 || len(p.Jobs) != 2 {
		t.Errorf("%+v %+v", p, problems)
	}
}
