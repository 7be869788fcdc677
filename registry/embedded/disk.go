package embedded

import (
	"context"
	"net/http"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// checkEvery bytes of one upload the free space is looked at again.
const checkEvery = 32 << 20

// Disk is where the blobs are. Room is nil while there is some, and otherwise says
// how much is missing and what to do; *disk.Guard is one.
type Disk interface{ Room() error }

type verdictKey struct{}

// verdict travels with a request down to the storage driver, because an error
// that passes through distribution arrives as "unknown error".
type verdict struct{ full error }

// roomFor the request: what the disk says is kept for the answer.
func roomFor(ctx context.Context, disk Disk) error {
	err := disk.Room()
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
	disk  Disk
	since int64
}

func (w *guardedWriter) Write(p []byte) (int, error) {
	if w.since += int64(len(p)); w.since >= checkEvery {
		w.since = 0
		if err := roomFor(w.ctx, w.disk); err != nil {
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
