package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"slipway.dev/observability/elastic/remote"
	"slipway.dev/observability/logs"
)

// readPath is where the server says which Elasticsearch the log stack has.
const readPath = "/logs/elasticsearch"

// ReadAt is the Elasticsearch of a log stack, and who may read there.
type ReadAt struct {
	Address, ServerName, CA string
	User, Password          string
}

// searched reads of the Elasticsearch that is configured, and where none is, of the log
// stack's. Which one that is the server says again and again, so nothing is written down.
type searched struct {
	configured *remote.Remote

	mu    sync.Mutex
	to    ReadAt
	stack *remote.Remote
	close func()
}

func (e *searched) now() *remote.Remote {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.configured.URL != "" || e.stack == nil {
		return e.configured
	}
	return e.stack
}

func (e *searched) Search(ctx context.Context, w io.Writer, q logs.Query) error {
	return e.now().Search(ctx, w, q)
}

func (e *searched) Overview(ctx context.Context, q logs.Query) (*logs.Overview, error) {
	return e.now().Overview(ctx, q)
}

func (e *searched) Context(ctx context.Context, w io.Writer, a logs.Around) error {
	return e.now().Context(ctx, w, a)
}

func (e *searched) put(w http.ResponseWriter, r *http.Request) {
	var to ReadAt
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&to); err != nil || to.Address == "" {
		http.Error(w, "want an Elasticsearch with an address", http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stack != nil && e.to == to {
		return
	}
	stack, transport, err := remote.At(to.Address, to.ServerName, []byte(to.CA), remote.User{Name: to.User, Password: to.Password})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.set(to, stack, transport.CloseIdleConnections)
}

func (e *searched) delete(http.ResponseWriter, *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set(ReadAt{}, nil, nil)
}

func (e *searched) set(to ReadAt, stack *remote.Remote, end func()) {
	if e.close != nil {
		e.close()
	}
	e.to, e.stack, e.close = to, stack, end
}

// ReadAt has lines that are asked for of an Elasticsearch read of this one, where none is
// configured; nil ends that.
func (c *Client) ReadAt(ctx context.Context, to *ReadAt) error {
	if to == nil {
		return c.tell(ctx, http.MethodDelete, readPath, nil)
	}
	body, err := json.Marshal(to)
	if err != nil {
		return err
	}
	return c.tell(ctx, http.MethodPut, readPath, bytes.NewReader(body))
}
