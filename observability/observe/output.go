package observe

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"sync"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/observability/logs"
)

// outputPath is the one output that the server gives and takes while the child runs: the
// Fluentd of a LogStack.
const outputPath = "/logs/output"

// output is that one. It is remembered beside its buffer, so that a child which is started
// again loses no line that comes before the server asks again.
type output struct {
	dir   string
	max   int64
	store *logs.Store
	log   *slog.Logger

	mu    sync.Mutex
	ctx   context.Context // of the child
	to    logs.Fluent
	spool *logs.Spool // nil: there is none
	stop  func()
}

func (o *output) file() string { return o.dir + ".json" }

// open puts back what was there before.
func (o *output) open(ctx context.Context) error {
	o.ctx = ctx
	b, err := os.ReadFile(o.file())
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(o.dir) // what a delete did not come to
	}
	if err != nil {
		return err
	}
	var to logs.Fluent
	if err := json.Unmarshal(b, &to); err != nil {
		// It cannot be ours, and the server says it again soon.
		o.log.Error("the output of the log stack is not known", "file", o.file(), "err", err)
		return nil
	}
	return o.set(to)
}

// run waits for the end, and for the sender's.
func (o *output) run(ctx context.Context) error {
	<-ctx.Done()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stop != nil {
		o.stop()
	}
	return nil
}

// set begins to send, or goes on elsewhere with what waits.
func (o *output) set(to logs.Fluent) error {
	out := to
	if err := out.Open(); err != nil {
		return err
	}
	if o.spool != nil {
		o.spool.Turn(&out)
		o.to = to
		return nil
	}
	spool, err := logs.OpenSpool(o.dir, o.max, &out, o.log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(o.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = spool.Run(ctx) // ends with ctx, and without an error
	}()
	o.to, o.spool = to, spool
	o.stop = func() {
		cancel()
		<-done
	}
	o.store.Copy(spool)
	return nil
}

func (o *output) put(w http.ResponseWriter, r *http.Request) {
	var to logs.Fluent
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&to); err != nil || to.Address == "" {
		http.Error(w, "want an output with an address", http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.spool != nil && same(o.to, to) {
		if r.URL.Query().Get("retry") != "" {
			o.spool.Retry()
		}
		return
	}
	b, err := json.Marshal(to)
	if err == nil {
		if err = os.MkdirAll(o.dir, 0o700); err == nil {
			err = atomicfile.Write(o.file(), b, 0o600)
		}
	}
	if err == nil {
		err = o.set(to)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (o *output) delete(w http.ResponseWriter, _ *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.spool != nil {
		o.store.Uncopy(o.spool)
		o.stop()
		o.spool, o.stop = nil, nil
	}
	err := os.Remove(o.file())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err = errors.Join(err, os.RemoveAll(o.dir)); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// same says whether two outputs are one, by what they are configured with.
func same(a, b logs.Fluent) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}
