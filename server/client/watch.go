package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Change is an object as it is or as it changed.
type Change struct {
	Kind string `json:"kind"`
	// Type: ADDED, MODIFIED, DELETED.
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// How long a server that went away is waited for, as for one that is restarted.
const (
	awayLimit = 2 * time.Minute
	awayPause = 200 * time.Millisecond
)

// Watch calls seen with each object of the namespace as it is and as it changes, until
// seen says that is enough. Where the server goes away it is asked again; all objects then
// come once more, and what was deleted meanwhile is not told.
func (c *Client) Watch(ctx context.Context, seen func(Change) (enough bool, err error)) error {
	return c.WatchOf(ctx, url.Values{}, seen)
}

// WatchOf is Watch of what a query asks for: kind, name.
func (c *Client) WatchOf(ctx context.Context, query url.Values, seen func(Change) (enough bool, err error)) error {
	var away time.Time // since when
	for first := true; ; first = false {
		reached, enough, err := c.watch(ctx, query, seen)
		var refused *Refused
		switch {
		case enough, ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return err
		case ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case first && !reached, errors.As(err, &refused) && refused.Status < 500, errors.As(err, new(handlerError)):
			return err
		case reached || away.IsZero():
			away = time.Now()
		case time.Since(away) > awayLimit:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(awayPause):
		}
	}
}

// handlerError is one of seen's.
type handlerError struct{ error }

func (e handlerError) Unwrap() error { return e.error }

// watch once, until the server ends it.
func (c *Client) watch(ctx context.Context, query url.Values, seen func(Change) (bool, error)) (reached, enough bool, err error) {
	reached, err = c.events(ctx, c.Path("watch")+"?"+query.Encode(), func(data []byte) (bool, error) {
		var change Change
		if err := json.Unmarshal(data, &change); err != nil {
			return false, handlerError{fmt.Errorf("watch: %w", err)}
		}
		enough, err = seen(change)
		if err != nil {
			err = handlerError{err}
		}
		return enough, err
	})
	return reached, enough, err
}

// Events calls seen with each of a stream's events, until it says that is enough or the
// server ends the stream.
func (c *Client) Events(ctx context.Context, path string, seen func(data []byte) (enough bool, err error)) error {
	_, err := c.events(ctx, path, seen)
	return err
}

// errEnded is how a stream that nobody had enough of ends.
var errEnded = errors.New("the server ended the watch")

func (c *Client) events(ctx context.Context, path string, seen func([]byte) (bool, error)) (reached bool, err error) {
	r, err := c.Open(ctx, "GET", path, nil)
	if err != nil {
		return false, err
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if enough, err := seen(data); enough || err != nil {
			return true, err
		}
	}
	if err := lines.Err(); err != nil {
		return true, err
	}
	return true, errEnded
}
