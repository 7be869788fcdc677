package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
)

// Watch calls seen with each object of the namespace as it is and as it
// changes, until seen says that is enough.
func (c *Client) Watch(ctx context.Context, seen func(kind string, decode func(any) error) (enough bool, err error)) error {
	r, err := c.Open(ctx, "GET", c.Path("watch"), nil)
	if err != nil {
		return err
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var change struct {
			Kind   string
			Type   string
			Object json.RawMessage
		}
		if err := json.Unmarshal(data, &change); err != nil {
			return err
		}
		if change.Type == "DELETED" {
			continue
		}
		enough, err := seen(change.Kind, func(v any) error { return json.Unmarshal(change.Object, v) })
		if enough || err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if lines.Err() != nil {
		return lines.Err()
	}
	return errors.New("the server ended the watch")
}
