package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"slipway.dev/server/client"
)

// tree is a git work tree that is pushed to an instance.
type tree struct {
	in     *instance
	name   string
	dir    string
	pushed int64
}

// newTree is a work tree with a copy of the directory example, or an empty one.
func newTree(ctx context.Context, in *instance, name, example string) (*tree, error) {
	t := &tree{in: in, name: name, dir: filepath.Join(filepath.Dir(in.dir), name+"-"+filepath.Base(in.dir))}
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return nil, err
	}
	if example != "" {
		if err := os.CopyFS(t.dir, os.DirFS(example)); err != nil {
			return nil, err
		}
	}
	_, err := t.git(ctx, "init", "--quiet", "--initial-branch=main")
	return t, err
}

// git runs git in the tree. The token travels in the environment, never in an argument.
func (t *tree) git(ctx context.Context, args ...string) (string, error) {
	token, err := t.in.client.Token()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = t.dir
	cmd.Env = client.GitEnviron(token, "Bench", "bench@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), err
}

func (t *tree) url() string { return t.in.client.Server + "/git/" + t.name + ".git" }

// commit writes file and commits it, and returns the commit's name.
func (t *tree) commit(ctx context.Context, file, text string) (string, error) {
	if err := os.WriteFile(filepath.Join(t.dir, file), []byte(text), 0o644); err != nil {
		return "", err
	}
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--allow-empty", "--message", "change"}} {
		if _, err := t.git(ctx, args...); err != nil {
			return "", err
		}
	}
	return t.git(ctx, "rev-parse", "HEAD")
}

// push pushes what is committed.
func (t *tree) push(ctx context.Context) error {
	if _, err := t.git(ctx, "push", "--quiet", t.url(), "main"); err != nil {
		return err
	}
	t.pushed++
	return nil
}

// run is the name of the run of the newest push.
func (t *tree) run() string { return fmt.Sprintf("%s-%d", t.name, t.pushed) }
