package elastic

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/observability/logs"
)

// Store is the log store, as this package needs it.
type Store interface {
	// Keep returns when the rows would survive a crash.
	Keep(id string, rows []logs.Row) error
	// Refresh returns when searches find what was kept before.
	Refresh(ctx context.Context) error
	// Select calls f with each row that the query has; fields are good until f returns.
	Select(ctx context.Context, sel logs.Selection, f func([]logs.Field)) error
	// Delete begins to delete what the selection has, if there is any; it goes on after a restart.
	Delete(ctx context.Context, id string, sel logs.Selection) (began bool, err error)
}

// Version is the Elasticsearch whose API this is a part of.
const Version = "8.19.0"

// queryTime is how long a search may take.
const queryTime = 60 * time.Second

// Handler serves the API below "/". It expects an Access in the header of each request.
type Handler struct {
	Store Store
	Log   *slog.Logger
	// UUID tells this store from every other, as a cluster's does.
	UUID string

	objects *objects
	names   fieldNames
	ids     takenIDs
	// expired are the deletions that lifecycles began last, by their rule. Only Enforce has it.
	expired map[string]string
}

// uuidIn reads it, or makes one.
func uuidIn(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return string(b), err
	}
	uuid := rand.Text()[:22]
	return uuid, atomicfile.Write(file, []byte(uuid), 0o600)
}

// New keeps templates, policies and data streams in file.
func New(store Store, file string, log *slog.Logger) (*Handler, error) {
	o, err := openObjects(file)
	if err != nil {
		return nil, err
	}
	uuid, err := uuidIn(file + ".uuid")
	if err != nil {
		return nil, err
	}
	return &Handler{Store: store, Log: log, UUID: uuid, objects: o, names: fieldNames{store: store}, expired: map[string]string{}, ids: takenIDs{ids: [2]map[string]bool{{}, {}}}}, nil
}

// request is a request with what its path and header say.
type request struct {
	*http.Request
	access Access
	params url.Values
	// index is what the path names before the API; rest are the path's parts behind it.
	index string
	rest  []string
}

func (r *request) part(i int) string {
	if i < len(r.rest) {
		return r.rest[i]
	}
	return ""
}

// reader is the body, at most max bytes of it, also when it came compressed.
func (r *request) reader(w http.ResponseWriter, max int64) (io.Reader, error) {
	body := http.MaxBytesReader(w, r.Body, max)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
		return body, nil
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, parsing("request body is not gzip: %s", err)
		}
		return &limited{r: z, left: max}, nil
	}
	return nil, refuse(http.StatusUnsupportedMediaType, "illegal_argument_exception", "Content-Encoding [%.60s] is not supported", r.Header.Get("Content-Encoding"))
}

// limited ends what a small body grows to when it is unpacked.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, refuse(http.StatusRequestEntityTooLarge, "content_too_large_exception", "request body is too large when it is unpacked")
	}
	if err != nil && !errors.Is(err, io.EOF) && asError(err).Status == http.StatusInternalServerError {
		err = parsing("request body is not gzip: %s", err)
	}
	return n, err
}

// maxBody is how large a request may be that is no bulk request.
const maxBody = 4 << 20

func (r *request) bytes(w http.ResponseWriter) ([]byte, error) {
	body, err := r.reader(w, maxBody)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

// body is the request's JSON; a GET may bring it as a parameter.
func (r *request) body(w http.ResponseWriter) (any, error) {
	b, err := r.bytes(w)
	if err != nil {
		return nil, err
	}
	if s := r.params.Get("source"); len(b) == 0 && s != "" {
		b = []byte(s)
	}
	return decode(b)
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", contentType(r))
	ctx, cancel := context.WithTimeout(r.Context(), queryTime)
	defer cancel()
	req := &request{Request: r.WithContext(ctx), access: Attached(r.Header), params: r.URL.Query()}
	var filtered *filteredWriter
	to, err := w, error(nil)
	if text := req.params.Get("filter_path"); text != "" {
		filtered = &filteredWriter{ResponseWriter: w}
		to = filtered
		filtered.paths, err = filterPathsOf(text)
	}
	if err == nil {
		err = h.route(to, req)
	}
	if err == nil {
		if filtered != nil {
			filtered.end()
		}
		return
	}
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		err = refuse(http.StatusGatewayTimeout, "timeout_exception", "the search took longer than %s", queryTime)
	}
	if asError(err).Status == http.StatusInternalServerError {
		h.Log.Warn("elasticsearch API", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	writeError(w, err)
}

// contentType answers in the type that was asked for: clients name the version that
// they are compatible with.
func contentType(r *http.Request) string {
	for _, t := range strings.Split(r.Header.Get("Accept"), ",") {
		t = strings.TrimSpace(t)
		for _, v := range []string{"7", "8", "9"} {
			if strings.EqualFold(strings.ReplaceAll(t, " ", ""), "application/vnd.elasticsearch+json;compatible-with="+v) {
				return "application/vnd.elasticsearch+json;compatible-with=" + v
			}
		}
	}
	return "application/json"
}

type endpoint struct {
	methods string
	serve   func(*Handler, http.ResponseWriter, *request) error
}

// system are the APIs by the first part of the path, ofIndex those by the part behind
// the name of an index.
var system, ofIndex map[string]endpoint

func init() {
	both := map[string]endpoint{
		"_bulk":       {"POST PUT", (*Handler).bulk},
		"_search":     {"GET POST", (*Handler).search},
		"_msearch":    {"GET POST", (*Handler).msearch},
		"_count":      {"GET POST", (*Handler).countDocs},
		"_mapping":    {"GET PUT POST", (*Handler).mapping},
		"_mappings":   {"GET PUT POST", (*Handler).mapping},
		"_field_caps": {"GET POST", (*Handler).fieldCaps},
		"_refresh":    {"GET POST", (*Handler).refresh},
		"_flush":      {"GET POST", (*Handler).refresh},
		"_settings":   {"GET", (*Handler).settings},
		"_alias":      {"GET HEAD", (*Handler).alias},
	}
	system, ofIndex = map[string]endpoint{}, map[string]endpoint{}
	for name, e := range both {
		system[name], ofIndex[name] = e, e
	}
	for name, e := range map[string]endpoint{
		"_cat": {"GET", (*Handler).cat}, "_cluster": {"GET", (*Handler).clusterAPI}, "_nodes": {"GET", (*Handler).nodes},
		"_license": {"GET", (*Handler).license}, "_xpack": {"GET", (*Handler).license}, "_security": {"GET", (*Handler).whoami},
		"_resolve": {"GET POST", (*Handler).resolve}, "_ilm": {"GET PUT DELETE", (*Handler).ilm},
		"_index_template": {"GET HEAD PUT POST DELETE", (*Handler).template}, "_component_template": {"GET HEAD PUT POST DELETE", (*Handler).template},
		"_template": {"GET HEAD PUT POST DELETE", (*Handler).template}, "_data_stream": {"GET PUT DELETE", (*Handler).dataStream},
		"_ingest": {"GET", (*Handler).ingest},
	} {
		system[name] = e
	}
	ofIndex["_doc"] = endpoint{"GET HEAD PUT POST", (*Handler).doc}
	ofIndex["_create"] = endpoint{"PUT POST", (*Handler).doc}
	ofIndex["_ilm"] = endpoint{"GET", (*Handler).explain}
}

func (h *Handler) route(w http.ResponseWriter, r *request) error {
	path := strings.Trim(r.URL.EscapedPath(), "/")
	var parts []string
	for _, p := range strings.Split(path, "/") {
		p, err := url.PathUnescape(p)
		if err != nil {
			return illegal("path: %s", err)
		}
		parts = append(parts, p)
	}
	table := system
	name := parts[0]
	switch {
	case path == "":
		return h.info(w, r)
	case !strings.HasPrefix(name, "_") || name == "_all":
		r.index = name
		if len(parts) == 1 {
			return h.indexAPI(w, r)
		}
		table, name = ofIndex, parts[1]
		r.rest = parts[2:]
	default:
		r.rest = parts[1:]
	}
	e, ok := table[name]
	if !ok {
		return unsupported("API [%.100s]", name)
	}
	for m := range strings.FieldsSeq(e.methods) {
		if m == r.Method {
			return e.serve(h, w, r)
		}
	}
	w.Header().Set("Allow", strings.ReplaceAll(e.methods, " ", ","))
	return refuse(http.StatusMethodNotAllowed, "illegal_argument_exception", "Incorrect HTTP method for uri [%.200s] and method [%s], allowed: [%s]", r.URL.Path, r.Method, e.methods)
}

// acknowledged is what changes of the cluster's objects answer.
func acknowledged(w http.ResponseWriter) error {
	writeJSON(w, http.StatusOK, json.RawMessage(`{"acknowledged":true}`))
	return nil
}
