package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"slipway.dev/cluster/api/v1alpha1"
)

var errBroken = errors.New("is not one of ours; the file is damaged")

// separator of the names in a key; no name of Kubernetes has it.
var separator = []byte{0}

func join(parts ...string) []byte { return []byte(strings.Join(parts, string(separator))) }

func runKey(namespace, name string) []byte { return join(namespace, name) }

// places of a run in the buckets that order runs.
func places(run *v1alpha1.Run) map[string][]byte {
	at := string(PositionOf(run))
	out := map[string][]byte{
		string(bucketNamespace):  join(run.Namespace, at),
		string(bucketRepository): join(run.Namespace, run.Spec.Repository, at),
	}
	if by := expiry(run); !by.IsZero() {
		key := binary.BigEndian.AppendUint64(nil, uint64(max(by.Unix(), 0)))
		out[string(bucketExpiry)] = append(key, runKey(run.Namespace, run.Name)...)
	}
	return out
}

// expiry is when the first artifacts of the run are to be deleted; zero: never.
func expiry(run *v1alpha1.Run) (first time.Time) {
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		if js.Artifacts && js.ArtifactsExpire != nil && (first.IsZero() || js.ArtifactsExpire.Time.Before(first)) {
			first = js.ArtifactsExpire.Time
		}
	}
	return first
}

func parseExpiry(key []byte) (at time.Time, namespace, name string, err error) {
	if len(key) > 8 {
		at = time.Unix(int64(binary.BigEndian.Uint64(key)), 0)
		if ns, n, ok := bytes.Cut(key[8:], separator); ok {
			return at, string(ns), string(n), nil
		}
	}
	return at, "", "", fmt.Errorf("archive of runs: key %q: %w", key, errBroken)
}

// backwards calls f with the positions below prefix that come after one, newest first,
// until f says that it is enough.
func backwards(b *bbolt.Bucket, prefix []byte, after Position, f func(Position) (more bool, err error)) error {
	end := beyond(prefix)
	if after != "" {
		end = append(bytes.Clone(prefix), after...)
	}
	c := b.Cursor()
	k, _ := c.Seek(end)
	if k == nil {
		k, _ = c.Last()
	}
	for ; k != nil; k, _ = c.Prev() {
		if bytes.Compare(k, end) >= 0 {
			continue
		}
		at, ok := bytes.CutPrefix(k, prefix)
		if !ok {
			return nil
		}
		if len(at) < positionMin {
			return fmt.Errorf("archive of runs: key %q: %w", k, errBroken)
		}
		if more, err := f(Position(at)); err != nil || !more {
			return err
		}
	}
	return nil
}

// beyond is the first key that does not begin with prefix, which ends in a separator.
func beyond(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	end[len(end)-1]++
	return end
}
