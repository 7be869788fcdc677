package archive

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"slipway.dev/cluster/api/v1alpha1"
)

// Position of a run among all of its namespace, newest first: its key without the
// namespace. The zero Position is before the newest.
type Position string

// ErrPosition is the answer to a token that no list has given.
var ErrPosition = errors.New("not a place in a list of runs")

// PositionOf a run: by when it was made, then by the update that it is of, then by name.
func PositionOf(run *v1alpha1.Run) Position {
	key := binary.BigEndian.AppendUint64(nil, uint64(max(run.CreationTimestamp.Unix(), 0)))
	key = binary.BigEndian.AppendUint64(key, uint64(max(run.Spec.Sequence, 0)))
	return Position(append(key, run.Name...))
}

// Token is the position as text for the client of a paged list.
func (p Position) Token() string { return base64.RawURLEncoding.EncodeToString([]byte(p)) }

// ParsePosition reads a token; an empty one is the zero Position.
func ParsePosition(token string) (Position, error) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(data) > 0 && len(data) < positionMin || len(data) > positionMax || bytes.IndexByte(data[min(len(data), 16):], 0) >= 0 {
		return "", ErrPosition
	}
	return Position(data), nil
}

// A position is two numbers and a name, which Kubernetes bounds.
const (
	positionMin = 17
	positionMax = 16 + 253
)

// After says whether p comes later in a list than q: it is older.
func (p Position) After(q Position) bool { return q == "" || p < q }
