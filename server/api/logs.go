package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

func ofLogs(ns string) []Route {
	return []Route{
		{"GET", ns + "/logs", "get", "logs", "search logs: ?query, language (logsql or lucene), start, end, limit (a number, or all), format (json, csv or raw); from (store or elasticsearch); follow=1 goes on, download=1 saves", (*server).logs},
		{"GET", ns + "/logs/overview", "get", "logs", "how many lines a query finds by time, and the values of their fields", (*server).logOverview},
		{"GET", ns + "/logs/context", "get", "logs", "the lines around one: ?pod, container, at, before, after", (*server).logContext},
	}
}

func logQuery(r *http.Request) (LogQuery, error) {
	q := r.URL.Query()
	lq := LogQuery{Namespace: r.PathValue("ns"), Query: q.Get("query"), Limit: 500, Follow: q.Get("follow") == "1", End: time.Now()}
	lq.Start = lq.End.Add(-time.Hour)
	switch v := q.Get("language"); v {
	case "", "logsql":
	case "lucene":
		lq.Lucene = true
	default:
		return lq, refuse(http.StatusBadRequest, "", "language %q: want logsql or lucene", v)
	}
	if err := readFrom(r, &lq.From); err != nil {
		return lq, err
	}
	for key, at := range map[string]*time.Time{"start": &lq.Start, "end": &lq.End} {
		if v := q.Get(key); v != "" {
			t, err := logTime(key, v)
			if err != nil {
				return lq, err
			}
			*at = t
		}
	}
	switch v := q.Get("limit"); v {
	case "":
	case allLines:
		lq.Limit = 0
	default:
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 10000 {
			return lq, refuse(http.StatusBadRequest, "", "limit %q: want a number from 1 to 10000, or all", v)
		}
		lq.Limit = n
	}
	if lq.Limit == 0 && lq.Follow {
		return lq, refuse(http.StatusBadRequest, "", "limit all: without follow, which goes on by itself")
	}
	return lq, nil
}

// allLines is the limit of who wants every line that there is, the oldest first.
const allLines = "all"

// readFrom reads where lines are read.
func readFrom(r *http.Request, from *string) error {
	switch v := r.URL.Query().Get("from"); v {
	case "", FromStore, FromElasticsearch:
		*from = v
		return nil
	default:
		return refuse(http.StatusBadRequest, "", "from %q: want %s or %s", v, FromStore, FromElasticsearch)
	}
}

// Where lines are read.
const (
	FromStore         = "store"
	FromElasticsearch = "elasticsearch"
)

func logTime(key, v string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return t, refuse(http.StatusBadRequest, "write it as 2006-01-02T15:04:05Z", "%s %q: not a time", key, v)
	}
	return t, nil
}

func rowHeader(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
}

func (s *server) logs(w http.ResponseWriter, r *http.Request) error {
	lq, err := logQuery(r)
	if err != nil {
		return err
	}
	out, contentType, ending, err := rowsAs(r.URL.Query().Get("format"), flushWriter{w, http.NewResponseController(w)})
	if err != nil {
		return err
	}
	rowHeader(w)
	w.Header().Set("Content-Type", contentType)
	if r.URL.Query().Get("download") == "1" {
		attachment(w, fmt.Sprintf("logs-%s-%s.%s", lq.Namespace, lq.End.UTC().Format("20060102-150405"), ending))
	}
	return s.Logs.Query(r.Context(), out, lq)
}

func (s *server) logOverview(w http.ResponseWriter, r *http.Request) error {
	lq, err := logQuery(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return s.Logs.Overview(r.Context(), w, lq)
}

// maxContext is how many lines before and after one may be asked for.
const maxContext = 1000

func (s *server) logContext(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	at, err := logTime("at", q.Get("at"))
	if err != nil {
		return err
	}
	c := LogContext{Namespace: r.PathValue("ns"), Pod: q.Get("pod"), Container: q.Get("container"), At: at, Before: 20, After: 20}
	for key, n := range map[string]*int{"before": &c.Before, "after": &c.After} {
		v := q.Get(key)
		if v == "" {
			continue
		}
		if *n, err = strconv.Atoi(v); err != nil || *n < 0 || *n > maxContext {
			return refuse(http.StatusBadRequest, "", "%s %q: want a number from 0 to %d", key, v, maxContext)
		}
	}
	if err := readFrom(r, &c.From); err != nil {
		return err
	}
	rowHeader(w)
	return s.Logs.Context(r.Context(), w, c)
}
