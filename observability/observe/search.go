package observe

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"slipway.dev/observability/logs"
)

// queryTime is how long a search may take that does not follow.
const queryTime = 30 * time.Second

// exportTime is how long one may take that writes all lines, as fast as they are read.
const exportTime = time.Hour

// reader is where lines are read from: the store, or the Elasticsearch that has them too.
type reader interface {
	Search(ctx context.Context, w io.Writer, q logs.Query) error
	Overview(ctx context.Context, q logs.Query) (*logs.Overview, error)
	Context(ctx context.Context, w io.Writer, a logs.Around) error
}

// fromElasticsearch is the parameter's value that asks for the other one.
const fromElasticsearch = "elasticsearch"

// readers choose by the request's parameter from.
type readers struct{ store, elasticsearch reader }

func (r readers) of(v url.Values) reader {
	if v.Get("from") == fromElasticsearch {
		return r.elasticsearch
	}
	return r.store
}

func readQuery(v url.Values) (logs.Query, error) {
	q := logs.Query{Namespace: v.Get("namespace"), Text: v.Get("query"), Follow: v.Get("follow") == "1"}
	var errs [4]error
	q.Limit, errs[0] = strconv.Atoi(v.Get("limit"))
	q.Start, errs[1] = time.Parse(time.RFC3339Nano, v.Get("start"))
	q.End, errs[2] = time.Parse(time.RFC3339Nano, v.Get("end"))
	if q.Namespace == "" {
		errs[3] = errors.New("no namespace")
	}
	return q, errors.Join(errs[:]...)
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, logs.ErrQuery) || errors.Is(err, logs.ErrTooLarge) {
		status = http.StatusBadRequest
	}
	http.Error(w, err.Error(), status)
}

func overview(from readers) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := readQuery(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), queryTime)
		defer cancel()
		o, err := from.of(r.URL.Query()).Overview(ctx, q)
		if err != nil {
			fail(w, err)
			return
		}
		_ = json.NewEncoder(w).Encode(o)
	}
}

func around(from readers) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := r.URL.Query()
		a := logs.Around{Namespace: v.Get("namespace"), Pod: v.Get("pod"), Container: v.Get("container")}
		var errs [3]error
		a.At, errs[0] = time.Parse(time.RFC3339Nano, v.Get("at"))
		a.Before, errs[1] = strconv.Atoi(v.Get("before"))
		a.After, errs[2] = strconv.Atoi(v.Get("after"))
		if err := errors.Join(errs[:]...); err != nil || a.Namespace == "" {
			http.Error(w, "want namespace, pod, container, at, before and after", http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), queryTime)
		defer cancel()
		out := &flusher{w: w, rc: http.NewResponseController(w)}
		if err := from.of(v).Context(ctx, out, a); err != nil {
			out.fail(err)
		}
	}
}

func search(from readers) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := readQuery(r.URL.Query())
		if err != nil {
			http.Error(w, "want namespace, limit, start and end", http.StatusBadRequest)
			return
		}
		ctx := r.Context()
		if !q.Follow {
			limit := queryTime
			if q.Limit == 0 {
				limit = exportTime
			}
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		out := &flusher{w: w, rc: http.NewResponseController(w)}
		if q.Follow {
			out.flush()
		}
		if err := from.of(r.URL.Query()).Search(ctx, out, q); err != nil {
			out.fail(err)
		}
	}
}

type flusher struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	wrote bool
}

func (f *flusher) Write(p []byte) (int, error) {
	f.wrote = true
	n, err := f.w.Write(p)
	f.flush()
	return n, err
}

// fail says why there is no answer, or that it ends too early: once rows are out, only the
// connection can still say so.
func (f *flusher) fail(err error) {
	if f.wrote {
		panic(http.ErrAbortHandler)
	}
	fail(f.w, err)
}

func (f *flusher) flush() { _ = f.rc.Flush() }
