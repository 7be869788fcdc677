package elastic

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/valyala/fastjson"

	"slipway.dev/observability/logs"
)

const (
	// maxBulk is how large a bulk request may be, and maxItems how many documents it has.
	maxBulk  = 64 << 20
	maxItems = 100_000
	// idSeparator is between chunk and number in the id of a document that came without.
	idSeparator = "-"
)

// item is the outcome for one action of a bulk request.
type item struct {
	action    string
	index, id string
	row       int // where its row is, or -1
	err       *Error
}

// batch gathers the rows of one request.
type batch struct {
	h      *Handler
	a      Access
	chunk  string
	parser fastjson.Parser
	flat   flattener
	rows   []logs.Row
	items  []item
	// arena holds the rows' fields: one allocation for many.
	arena []logs.Field
	now   time.Time
}

// bulk answers _bulk and <index>/_bulk.
func (h *Handler) bulk(w http.ResponseWriter, r *request) error {
	if err := r.access.mayWrite(); err != nil {
		return err
	}
	started := time.Now()
	body, err := r.reader(w, maxBulk)
	if err != nil {
		return err
	}
	b := &batch{h: h, a: r.access, chunk: logs.NewChunkID(), now: started}
	if err := b.read(body, r.index); err != nil {
		return err
	}
	if len(b.items) == 0 {
		return refuse(400, "parse_exception", "request body is required")
	}
	b.keep(r.Context())
	h.refreshed(r)
	b.answer(w, time.Since(started))
	return nil
}

// refreshed waits until what was written is found, where its request asks for that. What is
// kept is kept: who does not wait for it is not told to send it again.
func (h *Handler) refreshed(r *request) {
	if !r.params.Has("refresh") || r.params.Get("refresh") == "false" {
		return
	}
	if err := h.Store.Refresh(r.Context()); err != nil {
		h.Log.Debug("elasticsearch API: refresh", "err", err)
	}
}

func (b *batch) read(body io.Reader, index string) error {
	in := bufio.NewReaderSize(body, 64<<10)
	var spare []byte
	for n := 1; ; n++ {
		line, err := readLine(in, &spare)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if len(b.items) >= maxItems {
			return refuse(http.StatusRequestEntityTooLarge, "content_too_large_exception", "bulk request of more than %d actions", maxItems)
		}
		it, err := b.action(line, index)
		if err != nil {
			return illegal("Malformed action/metadata line [%d]: %s", n, err)
		}
		if it.action == "delete" {
			it.err = unsupported("action [delete]: documents are kept until their time is over")
			b.items = append(b.items, it)
			continue
		}
		n++
		doc, err := readLine(in, &spare)
		if errors.Is(err, io.EOF) {
			return illegal("action/metadata line [%d] has no document", n-1)
		}
		if err != nil {
			return err
		}
		b.add(it, doc)
	}
}

// readLine returns a line without its end. What is larger than a document may be comes
// back cut, so that the lines behind it still count.
func readLine(in *bufio.Reader, spare *[]byte) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if err == nil {
		return line[:len(line)-1], nil
	}
	*spare = append((*spare)[:0], line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = in.ReadSlice('\n')
		if len(*spare) <= maxDocument {
			*spare = append(*spare, line...)
		}
	}
	if errors.Is(err, io.EOF) && len(*spare) > 0 {
		// The last line may want its end.
		return *spare, nil
	}
	return bytes.TrimSuffix(*spare, []byte("\n")), err
}

// action reads {"create":{"_index":…,"_id":…}}.
func (b *batch) action(line []byte, index string) (item, error) {
	it := item{index: index, row: -1}
	v, err := b.parser.ParseBytes(line)
	if err != nil {
		return it, errors.New("not JSON")
	}
	o, err := v.Object()
	if err != nil || o.Len() != 1 {
		return it, errors.New("want an object of one action")
	}
	var meta *fastjson.Value
	o.Visit(func(key []byte, v *fastjson.Value) { it.action, meta = string(key), v })
	switch it.action {
	case "index", "create", "update", "delete":
	default:
		return it, errors.New("expected one of [create, delete, index, update] but found [" + strconv.Quote(it.action) + "]")
	}
	if s := meta.GetStringBytes("_index"); len(s) > 0 && string(s) != it.index {
		it.index = string(s)
	}
	it.id = string(meta.GetStringBytes("_id"))
	return it, nil
}

func (b *batch) add(it item, doc []byte) {
	err := b.document(&it, doc)
	if err != nil {
		it.err = asError(err)
		it.row = -1
	}
	b.items = append(b.items, it)
}

func (b *batch) document(it *item, doc []byte) error {
	if it.action == "update" {
		return unsupported("action [update]: documents are not changed")
	}
	if err := checkIndex(it.index); err != nil {
		return err
	}
	if len(it.id) > 512 {
		return illegal("id is %d bytes long, at most 512", len(it.id))
	}
	if len(doc) > maxDocument {
		return refuse(http.StatusRequestEntityTooLarge, "document_parsing_exception", "document is larger than %d bytes", maxDocument)
	}
	v, err := b.parser.ParseBytes(doc)
	if err != nil {
		return refuse(400, "document_parsing_exception", "failed to parse: %.200s", err)
	}
	if err := b.flat.flatten(v, b.now.UnixNano()); err != nil {
		return err
	}
	if b.flat.at < b.now.Add(-logs.Retention).UnixNano() || b.flat.at > b.now.Add(logs.FutureRetention).UnixNano() {
		return illegal("%s %s is out of what is kept: from %s ago to %s ahead", timeName, time.Unix(0, b.flat.at).UTC().Format(time.RFC3339), logs.Retention, logs.FutureRetention)
	}
	namespace, err := b.namespace()
	if err != nil {
		return err
	}
	if err := b.h.names.admit(namespace, it.index, b.flat.fields); err != nil {
		return err
	}
	it.row = len(b.rows)
	b.rows = append(b.rows, b.row(namespace, *it))
	return nil
}

// namespace is where the document goes: where it says, or home.
func (b *batch) namespace() (string, error) {
	home := b.a.Home
	for _, f := range b.flat.fields {
		switch f.Name {
		case "namespace":
			if !b.a.writes(f.Value) {
				return "", refuse(http.StatusForbidden, "security_exception", "user [%s] may not write logs of namespace [%.63s]", b.a.User, f.Value)
			}
			return f.Value, nil
		case "kubernetes.namespace_name":
			if b.a.writes(f.Value) {
				home = f.Value
			}
		}
	}
	return home, nil
}

// row has the stream first: the namespace and the index, which senders cannot multiply.
func (b *batch) row(namespace string, it item) logs.Row {
	need := len(b.flat.fields) + 3
	if cap(b.arena)-len(b.arena) < need {
		b.arena = make([]logs.Field, 0, max(4096, need))
	}
	start := len(b.arena)
	b.arena = append(b.arena, logs.Field{Name: "namespace", Value: namespace}, logs.Field{Name: logs.IndexField, Value: it.index})
	if it.id != "" {
		b.arena = append(b.arena, logs.Field{Name: idName, Value: it.id})
	}
	for _, f := range b.flat.fields {
		if f.Name != "namespace" {
			b.arena = append(b.arena, f)
		}
	}
	return logs.Row{Time: b.flat.at, Fields: b.arena[start:len(b.arena):len(b.arena)], Stream: 2}
}

var bulkHead = []byte(`{"errors":`)

// answer writes the outcome of each action by hand: a bulk request has many.
func (b *batch) answer(w http.ResponseWriter, took time.Duration) {
	out := make([]byte, 0, 200*len(b.items)+100)
	failed := false
	for _, it := range b.items {
		failed = failed || it.err != nil
	}
	out = strconv.AppendBool(append(out, bulkHead...), failed)
	out = strconv.AppendInt(append(out, `,"took":`...), took.Milliseconds(), 10)
	out = append(out, `,"items":[`...)
	for i, it := range b.items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendJSON(append(out, '{'), it.action), `:{"_index":`...)
		out = appendJSON(out, it.index)
		out = append(out, `,"_id":`...)
		id := it.id
		if id == "" && it.row >= 0 {
			id = b.chunk + idSeparator + strconv.Itoa(it.row)
		}
		out = appendJSON(out, id)
		if it.err != nil {
			out = strconv.AppendInt(append(out, `,"status":`...), int64(it.err.Status), 10)
			out = append(appendJSON(append(out, `,"error":{"type":`...), it.err.Type), `,"reason":`...)
			out = append(appendJSON(out, it.err.Reason), `}}}`...)
			continue
		}
		out = append(out, `,"_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":`...)
		out = strconv.AppendInt(out, int64(it.row), 10)
		out = append(out, `,"_primary_term":1,"status":201}}`...)
	}
	out = append(out, `]}`...)
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	_, _ = w.Write(out)
}
