package elastic

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"slipway.dev/observability/logs"
)

// keep gives the rows to the store. A document whose id is taken is refused, whichever
// action it came with: the store only appends.
func (b *batch) keep(ctx context.Context) {
	claimed, err := b.claim(ctx)
	if err == nil && len(b.rows) > 0 {
		err = b.h.Store.Keep(b.chunk, b.rows)
	}
	if err == nil {
		return
	}
	b.h.ids.release(claimed)
	e := asError(err)
	if e.Status == http.StatusInternalServerError {
		// What the store could not keep may be sent again.
		e = refuse(http.StatusServiceUnavailable, "unavailable_shards_exception", "%s", err)
	}
	for i := range b.items {
		if b.items[i].err == nil {
			b.items[i].err = e
		}
	}
}

// claim takes the ids that documents came with, and leaves out the documents whose id
// is taken.
func (b *batch) claim(ctx context.Context) (claimed []string, err error) {
	var wanted []string
	for i := range b.items {
		if it := &b.items[i]; it.err == nil && it.id != "" {
			key := it.index + "\n" + it.id
			if !b.h.ids.claim(key) {
				b.conflict(it)
				continue
			}
			wanted, claimed = append(wanted, it.id), append(claimed, key)
		}
	}
	for len(wanted) > 0 {
		n := min(len(wanted), 1000)
		there, err := b.there(ctx, wanted[:n])
		if err != nil {
			return claimed, err
		}
		for i := range b.items {
			if it := &b.items[i]; it.err == nil && it.id != "" && there[it.index+"\n"+it.id] {
				b.conflict(it)
			}
		}
		wanted = wanted[n:]
	}
	b.compact()
	return claimed, nil
}

func (b *batch) conflict(it *item) {
	it.err = refuse(http.StatusConflict, "version_conflict_engine_exception", "[%.512s]: version conflict, document already exists (documents are not changed)", it.id)
}

// compact drops the rows of documents that were refused after they were read.
func (b *batch) compact() {
	rows := b.rows[:0]
	for i := range b.items {
		it := &b.items[i]
		if it.row < 0 {
			continue
		}
		if it.err != nil {
			it.row = -1
			continue
		}
		rows = append(rows, b.rows[it.row])
		it.row = len(rows) - 1
	}
	b.rows = rows
}

func (b *batch) there(ctx context.Context, ids []string) (map[string]bool, error) {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = logs.Quote(id)
	}
	found := map[string]bool{}
	sel := logs.Selection{Namespaces: b.a.Write, Urgent: true, Text: idName + ":in(" + strings.Join(quoted, ",") + ") | fields " + idName + ", " + logs.IndexField}
	err := b.h.Store.Select(ctx, sel, func(fields []logs.Field) {
		var id, index string
		for _, f := range fields {
			if f.Name == idName {
				id = f.Value
			} else {
				index = f.Value
			}
		}
		found[index+"\n"+id] = true
	})
	return found, err
}

// takenIDs are the ids of the last moments, which a search may not find yet.
type takenIDs struct {
	mu       sync.Mutex
	ids      [2]map[string]bool
	switched time.Time
}

func (t *takenIDs) claim(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.Sub(t.switched) > 30*time.Second {
		t.ids, t.switched = [2]map[string]bool{{}, t.ids[0]}, now
	}
	if t.ids[0][key] || t.ids[1][key] {
		return false
	}
	t.ids[0][key] = true
	return true
}

func (t *takenIDs) release(keys []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		delete(t.ids[0], k)
		delete(t.ids[1], k)
	}
}

func appendJSON(b []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return append(append(append(b, '"'), s...), '"')
	}
	q, _ := json.Marshal(s) // strings are always marshalled
	return append(b, q...)
}
