package git

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

const (
	// graphFrom is the size of packs from which a commit-graph is worth its while.
	graphFrom = 16 << 20
	// graphEvery is how often one may become old.
	graphEvery = 10 * time.Minute
)

// graph writes, beside the packs of a large repository, which commit changed which
// paths: with it git finds the history of a file, and what a client lacks, without
// reading every commit and tree. What came since the last one is added to it.
func (h *Host) graph(ctx context.Context, dir string, packs []string) {
	var size int64
	var newest time.Time
	for _, p := range packs {
		if info, err := os.Stat(p); err == nil {
			size += info.Size()
			if info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
	}
	if size < graphFrom {
		return
	}
	chain := filepath.Join(dir, "objects", "info", "commit-graphs", "commit-graph-chain")
	if info, err := os.Stat(chain); err == nil && (!info.ModTime().Before(newest) || time.Since(info.ModTime()) < graphEvery) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	var stderr tailBuffer
	cmd := h.gitCommand(ctx, dir, "commit-graph", "write", "--reachable", "--changed-paths", "--split", "--no-progress")
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		h.Log.Warn("commit-graph not written", "directory", dir, "error", err, "stderr", stderr.String())
		return
	}
	// Nothing new is not written: it is new all the same.
	now := time.Now()
	_ = os.Chtimes(chain, now, now)
}
