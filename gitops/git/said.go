package git

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/atomicfile"
)

// said is what a push says beside its commits. It is a file in the repository before a
// ref changes, and until the update is recorded: neither a Kubernetes API that is away
// nor the end of the server between the two loses it.
type said struct {
	At time.Time `json:"at"`
	// By whom, which only the request knows.
	By string `json:"by"`
	// Refs that the push sets, and to which object.
	Refs map[string]string `json:"refs"`
	Note v1alpha1.PushNote `json:"note"`

	file string
	// left is one that no push under way is going to remove.
	left bool
}

const (
	saidDir = "slipway-pushes"
	// leftPrefix of the name of a file whose push has ended.
	leftPrefix = "left-"
)

func (h *Host) saidDir(ns, name string) (string, error) {
	dir, err := h.path(ns, name)
	return filepath.Join(dir, saidDir), err
}

// keep what a push says until settle is told whether it was recorded.
func (h *Host) keep(rt route, p push, by string, note v1alpha1.PushNote) (settle func(recorded bool), err error) {
	nothing := func(bool) {}
	if note.NoRun == "" && len(note.Variables) == 0 {
		return nothing, nil
	}
	s := said{At: time.Now(), By: by, Refs: map[string]string{}, Note: note}
	for _, c := range p.commands {
		if c.new != zeroHash {
			s.Refs[c.ref] = c.new
		}
	}
	dir, err := h.saidDir(rt.ns, rt.name)
	if err != nil {
		return nothing, err
	}
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = atomicfile.SyncDir(filepath.Dir(dir))
	} else if !errors.Is(err, fs.ErrExist) {
		return nothing, err
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nothing, err
	}
	file := filepath.Join(dir, fmt.Sprintf("%s-%d", h.life, h.said.Add(1)))
	if err := atomicfile.Write(file, data, 0o600); err != nil {
		return nothing, err
	}
	return func(recorded bool) {
		if recorded { // or refused: what is not there is not recorded later either
			_ = os.Remove(file)
			return
		}
		_ = os.Rename(file, filepath.Join(dir, leftPrefix+filepath.Base(file)))
	}, nil
}

// heard is what pushes said that is not recorded, the last of them last.
func (h *Host) heard(ns, name string) ([]said, error) {
	dir, err := h.saidDir(ns, name)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []said
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // half written
		}
		s := said{file: filepath.Join(dir, e.Name()), left: !strings.HasPrefix(e.Name(), h.life)}
		data, err := os.ReadFile(s.file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // recorded meanwhile
		}
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &s); err != nil {
			h.Log.Warn("what a push said cannot be read; it is left out", "file", s.file, "error", err)
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b said) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	return out, nil
}

// forget what pushes said whose updates are recorded, or never came to be.
func forget(notes []said) {
	for _, s := range notes {
		if s.left {
			_ = os.Remove(s.file)
		}
	}
}
