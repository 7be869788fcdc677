// Package disk owns the question whether there is room on the disk that Slipway
// keeps its data on. What users bring (pushes, images, artifacts) is refused while
// less than the reserve is free, so that etcd and what is under way can always be
// written; the log store stops later, and the kubelet evicts last of all. It never
// deletes anything. Start at Guard.
package disk

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// The order in which things stop as the disk fills. First starts need more room than
// Reserve; log lines wait on the nodes, and the oldest metrics go, below Logs; no samples are
// stored below Metrics; the kubelet evicts below Evict.
const (
	Reserve = 1 << 30
	Logs    = 512 << 20
	Metrics = 384 << 20
	Evict   = 200 << 20
)

// FilesReserve of the files (inodes) that a file system can hold stay free, where it counts
// them: a disk is full without them too, whatever bytes are free. The kubelet evicts below 2 %.
const FilesReserve = 0.04

// Full says that less than the reserve is free: of bytes, or, where Files is not 0, of files.
type Full struct {
	Free, Reserve uint64
	// Files that the file system can hold, and how many more can be made.
	Files, FilesFree uint64
}

// Error names the figures and what to do.
func (e Full) Error() string {
	if e.Files > 0 {
		return fmt.Sprintf("the server's disk is nearly full: only %d more files can be made on it (df -i), and %.0f are kept in reserve; delete many small files, or move the data directory to a file system with more inodes, then try again",
			e.FilesFree, FilesReserve*float64(e.Files))
	}
	return fmt.Sprintf("the server's disk is nearly full: %d MiB free, and %d MiB are kept in reserve; delete what is not needed or add space, then try again",
		e.Free>>20, e.Reserve>>20)
}

// Guard looks at the file system of a directory.
type Guard struct {
	dir     string
	reserve uint64
	// free is a variable for tests, and files too, which is nil where they do not matter.
	free  func(dir string) (uint64, error)
	files func(dir string) (free, all uint64, err error)
}

// New guards the file system of dir, which must be there; reserve is how many bytes
// of it stay free, 0 the default, and FilesReserve of files then.
func New(dir string, reserve uint64) *Guard {
	g := &Guard{dir: dir, reserve: reserve, free: Free}
	if reserve == 0 {
		g.reserve, g.files = Reserve, Files
	}
	return g
}

// Files is how many more files the file system of dir can hold, and how many it can hold in
// all: 0 where it does not count them.
func Files(dir string) (free, all uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("disk of %s: %w", dir, err)
	}
	return s.Ffree, s.Files, nil
}

// Free is how many bytes an ordinary user could still write to dir's file system.
func Free(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("disk of %s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// Room is nil while there is room, and a Full while there is not.
func (g *Guard) Room() error {
	free, err := g.free(g.dir)
	if err != nil {
		return err
	}
	if free < g.reserve {
		return Full{Free: free, Reserve: g.reserve}
	}
	if g.files == nil {
		return nil
	}
	more, all, err := g.files(g.dir)
	if err != nil {
		return err
	}
	if float64(more) < FilesReserve*float64(all) {
		return Full{Files: all, FilesFree: more}
	}
	return nil
}

// Watch looks every so often and tells when room ends, with the reason, and when it
// is there again, with nil. It returns when ctx ends.
func (g *Guard) Watch(ctx context.Context, every time.Duration, tell func(error)) {
	t := time.NewTicker(every)
	defer t.Stop()
	full := false
	for {
		if err := g.Room(); (err != nil) != full {
			full = err != nil
			tell(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Register the guard's figures.
func (g *Guard) Register(to prometheus.Registerer) error {
	err := to.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "slipway_disk_free_bytes", Help: "Bytes free on the disk of the data directory; -1 where it cannot be asked.",
	}, func() float64 {
		free, err := g.free(g.dir)
		if err != nil {
			return -1
		}
		return float64(free)
	}))
	if err != nil {
		return err
	}
	return to.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "slipway_disk_reserve_bytes", Help: "Bytes that are kept free: below them pushes, images and artifacts are refused.",
	}, func() float64 { return float64(g.reserve) }))
}
