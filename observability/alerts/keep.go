package alerts

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"slipway.dev/cluster/atomicfile"
)

// keep writes all silences to the disk. Alertmanager does so every quarter of an hour,
// which a kill would lose; the lock keeps an older state from coming after a newer one.
func (a *Alertmanager) keep() (int64, error) {
	a.keeping.Lock()
	defer a.keeping.Unlock()
	var b bytes.Buffer
	n, err := a.silences.Snapshot(&b)
	if err != nil {
		return 0, fmt.Errorf("silences: %w", err)
	}
	return n, atomicfile.Write(a.file("silences"), b.Bytes(), 0o600)
}

// maintain forgets silences that have been over for long, and writes the others.
func (a *Alertmanager) maintain() (int64, error) {
	if _, err := a.silences.GC(); err != nil {
		return 0, err
	}
	return a.keep()
}

// durable answers a change of silences when it is on the disk.
func (a *Alertmanager) durable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || !strings.Contains(r.URL.Path, "/silence") {
			next.ServeHTTP(w, r)
			return
		}
		h := &held{header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(h, r)
		if h.status < http.StatusMultipleChoices {
			if _, err := a.keep(); err != nil {
				http.Error(w, "it holds, but not beyond a restart; make room on the disk and ask again: "+err.Error(), http.StatusInternalServerError)
				return
			}
		}
		w.WriteHeader(h.status)
		_, _ = h.body.WriteTo(w)
	})
}

// held is an answer that is not given yet; those of changes are a few bytes.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }
