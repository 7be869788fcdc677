package daemon

import (
	"context"
	"errors"
	"io"

	"slipway.dev/observability/elastic"
	"slipway.dev/observability/logs"
	"slipway.dev/observability/observe"
	"slipway.dev/server/api"
)

// logSearch lets the API search the child's log store.
type logSearch struct{ *observe.Client }

func (l logSearch) Query(ctx context.Context, w io.Writer, q api.LogQuery) error {
	own, err := inLogsQL(q)
	if err != nil {
		return err
	}
	return said(l.Search(ctx, w, own))
}

func (l logSearch) Overview(ctx context.Context, w io.Writer, q api.LogQuery) error {
	own, err := inLogsQL(q)
	if err != nil {
		return err
	}
	return said(l.Client.Overview(ctx, w, own))
}

func (l logSearch) Context(ctx context.Context, w io.Writer, c api.LogContext) error {
	return said(l.Client.Context(ctx, w, logs.Around{Namespace: c.Namespace, Pod: c.Pod, Container: c.Container, At: c.At, Before: c.Before, After: c.After}))
}

func inLogsQL(q api.LogQuery) (logs.Query, error) {
	own := logs.Query{Namespace: q.Namespace, Text: q.Query, Start: q.Start, End: q.End, Limit: q.Limit, Follow: q.Follow}
	if q.Lucene && q.Query != "" {
		text, err := elastic.Lucene(q.Query)
		if err != nil {
			return own, &api.Error{Status: 400, Message: err.Error(), Hint: "a query string: word, \"phrase\", field:value, AND, OR, NOT"}
		}
		own.Text = text
	}
	return own, nil
}

// said puts the store's errors into the API's words.
func said(err error) error {
	if errors.Is(err, logs.ErrQuery) {
		return &api.Error{Status: 400, Message: err.Error(), Hint: "the query language is LogsQL: word, \"phrase\", field:value"}
	}
	return err
}
