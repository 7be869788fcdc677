package embedded

import (
	"context"
	"fmt"
	"net/http"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"golang.org/x/sys/unix"
)

// defaultReserve stays free on the registry's disk.
const defaultReserve = 1 << 30

// checkEvery bytes of one upload the free space is looked at again.
const checkEvery = 32 << 20

// ErrDiskFull is returned for a write that would leave less than the reserve.
type ErrDiskFull struct {
	Free, Reserve uint64
}

// Error names the limit and what to do.
func (e ErrDiskFull) Error() string {
	return fmt.Sprintf("the registry's disk is almost full: %d MiB free, %d MiB are kept in reserve; delete images or add space, then push again",
		e.Free>>20, e.Reserve>>20)
}

// guard refuses writes before the disk is full, so that what must be written to
// finish and to clean up still can be.
type guard struct {
	dir     string
	reserve uint64
	free    func(dir string) (uint64, error)
}

func (g *guard) check() error {
	free, err := g.free(g.dir)
	if err != nil {
		return fmt.Errorf("registry disk: %w", err)
	}
	if free < g.reserve {
		return ErrDiskFull{Free: free, Reserve: g.reserve}
	}
	return nil
}

func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

type verdictKey struct{}

// verdict travels with a request down to the storage driver, because an error
// that passes through distribution arrives as "unknown error".
type verdict struct{ full error }

func (g *guard) checkFor(ctx context.Context) error {
	err := g.check()
	if err != nil {
		if v, ok := ctx.Value(verdictKey{}).(*verdict); ok {
			v.full = err
		}
	}
	return err
}

// guardedWriter looks at the disk while a blob comes in.
type guardedWriter struct {
	storagedriver.FileWriter
	ctx   context.Context
	guard *guard
	since int64
}

func (w *guardedWriter) Write(p []byte) (int, error) {
	if w.since += int64(len(p)); w.since >= checkEvery {
		w.since = 0
		if err := w.guard.checkFor(w.ctx); err != nil {
			return 0, err
		}
	}
	return w.FileWriter.Write(p)
}

// recorder notes the status and the size of an answer, and puts the disk's
// verdict in the place of the error that distribution makes of it.
type recorder struct {
	http.ResponseWriter
	verdict *verdict
	status  int
	bytes   int64
	// replaced: the answer was written here; what distribution writes is dropped.
	replaced bool
}

func (w *recorder) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if status >= 400 && w.verdict.full != nil {
		w.replaced = true
		full := w.verdict.full
		w.verdict.full = nil
		w.status = http.StatusInsufficientStorage
		serveError(w.ResponseWriter, w.status, "DENIED", full.Error())
		return
	}
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.replaced {
		return len(p), nil
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
