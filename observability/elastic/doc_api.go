package elastic

import (
	"io"
	"net/http"
	"time"

	"slipway.dev/observability/logs"
)

// doc answers for one document: POST <index>/_doc and PUT <index>/_create/<id> write it,
// GET <index>/_doc/<id> reads it.
func (h *Handler) doc(w http.ResponseWriter, r *request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return h.getDoc(w, r)
	}
	if err := r.access.mayWrite(); err != nil {
		return err
	}
	body, err := r.reader(w, maxDocument+1)
	if err != nil {
		return err
	}
	doc, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	b := &batch{h: h, a: r.access, chunk: logs.NewChunkID(), now: time.Now()}
	b.add(item{action: "create", index: r.index, id: r.part(0), row: -1}, doc)
	b.keep(r.Context())
	h.refreshed(r)
	it := b.items[0]
	if it.err != nil {
		return it.err
	}
	id := it.id
	if id == "" {
		id = b.chunk + idSeparator + itoa(it.row)
	}
	writeJSON(w, http.StatusCreated, map[string]any{
		"_index": it.index, "_id": id, "_version": 1, "result": "created", "_shards": map[string]any{"total": 1, "successful": 1, "failed": 0},
		"_seq_no": 0, "_primary_term": 1,
	})
	return nil
}

func (h *Handler) getDoc(w http.ResponseWriter, r *request) error {
	s, err := h.scope(r.Context(), r.access, r.index, false)
	if err != nil {
		return err
	}
	e, err := ids([]any{r.part(0)})
	if err != nil {
		return err
	}
	rows, err := h.table(r.Context(), s, and(s.filter, e).String()+" | limit 1")
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		writeJSON(w, http.StatusNotFound, map[string]any{"_index": r.index, "_id": r.part(0), "found": false})
		return nil
	}
	f, err := readSource(nil, r.params.Get)
	if err != nil {
		return err
	}
	out := map[string]any{"_index": indexOf(rows[0]), "_id": idOf(rows[0]), "_version": 1, "_seq_no": 0, "_primary_term": 1, "found": true}
	if doc := f.apply(source(rows[0])); doc != nil {
		out["_source"] = doc
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}
