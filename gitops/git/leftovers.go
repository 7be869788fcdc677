package git

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"slipway.dev/cluster/supervise"
)

// began is when this process did: what is older in the store, no push of ours made.
var began = time.Now()

// sweep removes what a crash left half made or half removed, git's locks and
// packs among it: a lock whose owner is gone would close its branch for ever.
func (s *Store) sweep() {
	for _, pattern := range []string{".old-*", ".new-*", "*/.new-*", ".snapshots/*/*/.new-*"} {
		for _, d := range s.glob(pattern) {
			_ = os.RemoveAll(d)
		}
	}
	s.endOrphans()
	for _, pattern := range []string{"*.lock", "slipway-pushes/.*", "objects/incoming-*", "objects/tmp_objdir-*", "objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/??/tmp_obj_*", "objects/info/commit-graphs/*.lock", "objects/info/commit-graphs/tmp_*"} {
		for _, f := range s.glob("*/*.git/" + pattern) {
			removeOlder(f)
		}
	}
	for _, refs := range s.glob("*/*.git/refs") {
		_ = filepath.WalkDir(refs, func(f string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.HasSuffix(f, ".lock") {
				removeOlder(f)
			}
			return nil
		})
	}
}

func (s *Store) glob(pattern string) []string {
	found, _ := filepath.Glob(filepath.Join(s.Dir, pattern)) // the pattern is ours
	return found
}

func removeOlder(name string) {
	if info, err := os.Lstat(name); err == nil && info.ModTime().Before(began) {
		_ = os.RemoveAll(name)
	}
}

// endOrphans ends the git processes of a server before this one, which work in the
// store and hold its locks. What they did not finish was not acknowledged.
func (s *Store) endOrphans() {
	own, err := supervise.Started(os.Getpid())
	if err != nil {
		return
	}
	root, err := filepath.EvalSymlinks(s.Dir)
	if err != nil {
		return // no data yet
	}
	for _, pid := range supervise.Pids() {
		proc := filepath.Join("/proc", strconv.Itoa(pid))
		dir, err := os.Readlink(filepath.Join(proc, "cwd"))
		if err != nil || !strings.HasPrefix(dir, root+"/") {
			continue
		}
		exe, err := os.Readlink(filepath.Join(proc, "exe"))
		if err != nil || !strings.HasPrefix(filepath.Base(exe), "git") {
			continue
		}
		if at, err := supervise.Started(pid); err == nil && at < own {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			for end := time.Now().Add(5 * time.Second); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
				if _, err := os.Readlink(filepath.Join(proc, "cwd")); err != nil {
					break // gone, or a zombie
				}
			}
		}
	}
}
