package git

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxPackFiles is how many packs a repository may have before they are joined.
const maxPackFiles = 40

// maintain joins the packs of repositories that have many. Objects that no ref
// names any more are kept: a release may still name their commit.
func (h *Host) maintain(ctx context.Context) {
	dirs, _ := filepath.Glob(filepath.Join(h.Dir, "*", "*.git"))
	for _, dir := range dirs {
		if ctx.Err() != nil {
			return
		}
		packs, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
		loose, _ := filepath.Glob(filepath.Join(dir, "objects", "17", "*"))
		if len(packs) < maxPackFiles && len(loose) < 50 {
			continue
		}
		h.repack(ctx, dir)
	}
}

func (h *Host) repack(ctx context.Context, dir string) {
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	var stderr tailBuffer
	cmd := h.gitCommand(ctx, dir, "gc", "--quiet", "--cruft", "--prune=never")
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		h.Log.Warn("packs not joined", "repository", strings.TrimPrefix(dir, h.Dir+string(os.PathSeparator)), "error", err, "stderr", stderr.String())
	}
}
