package daemon

import (
	"cmp"
	"context"
	"errors"
	"io"

	"slipway.dev/observability/elastic"
	"slipway.dev/observability/logs"
	"slipway.dev/observability/observe"
	"slipway.dev/server/api"
)

// logSearch lets the API search the child's log store, or the Elasticsearch that has the
// lines too; read is where those look who do not say.
type logSearch struct {
	client *observe.Client
	read   string
}

// from is the client of where a request looks. New lines are followed, and all of them
// written, where they come first.
func (l logSearch) from(from string, first bool) (c *observe.Client, elsewhere bool) {
	elsewhere = cmp.Or(from, l.read) == api.FromElasticsearch && !(first && from == "")
	return l.client.From(elsewhere), elsewhere
}

func (l logSearch) Query(ctx context.Context, w io.Writer, q api.LogQuery) error {
	c, elsewhere := l.from(q.From, q.Follow || q.Limit == 0)
	own, err := inOwnWords(q, elsewhere)
	if err != nil {
		return err
	}
	return said(c.Search(ctx, w, own), elsewhere)
}

func (l logSearch) Overview(ctx context.Context, w io.Writer, q api.LogQuery) error {
	c, elsewhere := l.from(q.From, false)
	own, err := inOwnWords(q, elsewhere)
	if err != nil {
		return err
	}
	return said(c.Overview(ctx, w, own), elsewhere)
}

func (l logSearch) Context(ctx context.Context, w io.Writer, q api.LogContext) error {
	c, elsewhere := l.from(q.From, false)
	return said(c.Context(ctx, w, logs.Around{Namespace: q.Namespace, Pod: q.Pod, Container: q.Container, At: q.At, Before: q.Before, After: q.After}), elsewhere)
}

const luceneHint = "a query string: word, \"phrase\", field:value, AND, OR, NOT"

// inOwnWords has the query in the language of where it goes: LogsQL for the store, a query
// string for an Elasticsearch.
func inOwnWords(q api.LogQuery, elsewhere bool) (logs.Query, error) {
	own := logs.Query{Namespace: q.Namespace, Text: q.Query, Start: q.Start, End: q.End, Limit: q.Limit, Follow: q.Follow}
	if q.Query == "" || q.Lucene == elsewhere {
		return own, nil
	}
	translate, hint := elastic.Lucene, luceneHint
	if elsewhere {
		translate, hint = elastic.FromLogsQL, "with the language lucene, write "+luceneHint
	}
	text, err := translate(q.Query)
	if err != nil {
		return own, &api.Error{Status: 400, Message: err.Error(), Hint: hint}
	}
	own.Text = text
	return own, nil
}

// said puts the store's errors into the API's words.
func said(err error, elsewhere bool) error {
	if !errors.Is(err, logs.ErrQuery) {
		return err
	}
	hint := "the query language is LogsQL: word, \"phrase\", field:value"
	if elsewhere {
		hint = luceneHint
	}
	return &api.Error{Status: 400, Message: err.Error(), Hint: hint}
}
