package elastic

import (
	"context"
	"strings"
	"sync"
	"time"

	"slipway.dev/observability/logs"
)

// checkIndex says what is wrong with the name of an index or data stream.
func checkIndex(name string) error {
	bad := func(why string) error {
		return refuse(400, "invalid_index_name_exception", "Invalid index name [%.100s], %s", name, why)
	}
	switch {
	case name == "":
		return illegal("index is missing")
	case len(name) > 255:
		return bad("longer than 255 bytes")
	case name == "." || name == "..":
		return bad("must not be '.' or '..'")
	case strings.ContainsRune("-_+", rune(name[0])):
		return bad("must not start with '_', '-', or '+'")
	case strings.ToLower(name) != name:
		return bad("must be lowercase")
	case strings.ContainsAny(name, "\\/*?\"<>| ,#:\n\r\t"):
		return bad(`must not contain the following characters ['\\','/','*','?','"','<','>','|',' ',',','#',':']`)
	}
	return nil
}

// fieldNames bounds how many different fields the documents of one index have.
type fieldNames struct {
	store Store

	mu    sync.Mutex
	known map[string]map[string]bool
}

// admit refuses a document with a field that is one too many, by name.
func (n *fieldNames) admit(namespace, index string, fields []logs.Field) error {
	key := namespace + "\n" + index
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.known[key]
	if known == nil {
		if len(n.known) >= 10_000 {
			return illegal("more than 10000 indices are written; index [%s] is one too many", index)
		}
		known = n.load(namespace, index)
		if n.known == nil {
			n.known = map[string]map[string]bool{}
		}
		n.known[key] = known
	}
	fresh := 0
	for _, f := range fields {
		if !known[f.Name] {
			if fresh++; len(known)+fresh > maxFields {
				return illegal("Limit of total fields [%d] has been exceeded while adding new field [%s] to index [%s]", maxFields, f.Name, index)
			}
		}
	}
	if fresh > 0 {
		for _, f := range fields {
			if !known[f.Name] {
				known[strings.Clone(f.Name)] = true
			}
		}
	}
	return nil
}

// written are the indices of the caller's namespaces that were written since the start:
// they are there at once, their documents a moment later.
func (n *fieldNames) written(a Access) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for key := range n.known {
		if namespace, index, _ := strings.Cut(key, "\n"); a.reads(namespace) {
			all = append(all, index)
		}
	}
	return all
}

// load asks the store which fields an index has already.
func (n *fieldNames) load(namespace, index string) map[string]bool {
	known := map[string]bool{}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	sel := logs.Selection{Namespaces: []string{namespace}, Urgent: true, Text: logs.IndexField + ":=" + logs.Quote(index) + " | field_names"}
	// Without an answer the count begins anew: the limit is a guard, not a record.
	_ = n.store.Select(ctx, sel, func(fields []logs.Field) {
		for _, f := range fields {
			if f.Name == "name" && !hidden(f.Value) {
				known[strings.Clone(f.Value)] = true
			}
		}
	})
	return known
}
