package grafana

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"

	"slipway.dev/cluster/atomicfile"
)

// state is what was written, by UID.
type state struct {
	URL         string             `json:"url"`
	Removed     bool               `json:"removed,omitempty"`
	Folders     map[string]string  `json:"folders"`
	DataSources map[string]written `json:"dataSources"`
	Dashboards  map[string]written `json:"dashboards"`
}

// written is the version that Grafana gave to our last write, and a digest of it.
type written struct {
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
	// Edited by a person since, as it was seen last.
	Edited bool `json:"edited,omitempty"`
}

// load reads the file. What was written to another Grafana is not here.
func (p *Provisioner) load() error {
	b, err := os.ReadFile(p.StateFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("grafana: what was written: %w", err)
	}
	var s state
	if err == nil {
		if err := json.Unmarshal(b, &s); err != nil {
			return fmt.Errorf("grafana: what was written: %s: %w; delete the file, and dashboards that differ are taken for edited", p.StateFile, err)
		}
	}
	if s.URL != p.base {
		s = state{URL: p.base}
	}
	for _, m := range []*map[string]written{&s.DataSources, &s.Dashboards} {
		if *m == nil {
			*m = map[string]written{}
		}
	}
	if s.Folders == nil {
		s.Folders = map[string]string{}
	}
	p.state = s
	return nil
}

// saveEvery is how often a pass saves: what a crash makes us forget is found again where
// it is still as we would write it.
const saveEvery = time.Second

func (p *Provisioner) saveSoon() error {
	if time.Since(p.saved) < saveEvery {
		return nil
	}
	return p.save()
}

// save keeps what was written: what is forgotten may be taken for a person's.
func (p *Provisioner) save() error {
	p.saved = time.Now()
	b, err := json.MarshalIndent(p.state, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(p.StateFile, b, 0o600)
}

// digest of a value in JSON, whose members are in order.
func digest(v any) string {
	b, _ := json.Marshal(v) // of what was JSON
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// without some members.
func without(m map[string]any, names ...string) map[string]any {
	m = maps.Clone(m)
	for _, n := range names {
		delete(m, n)
	}
	return m
}
