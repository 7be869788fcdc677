package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Record is what a pid file holds: enough to know a process again, and to
// never mistake another one for it.
type Record struct {
	PID     int    `json:"pid"`
	Start   uint64 `json:"start"`   // clock ticks since boot, field 22 of /proc/<pid>/stat
	Boot    string `json:"boot"`    // kernel boot id
	Command string `json:"command"` // hash of path, arguments, environment and configuration
}

// Alive says whether the recorded process still runs.
func (r Record) Alive() bool {
	return r.PID > 1 && r.Boot == bootID() && alive(r.PID, r.Start)
}

// newRecord describes a process that was just started or found.
func newRecord(pid int, command string) (Record, error) {
	st, err := readStat(pid)
	if err != nil {
		return Record{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return Record{PID: pid, Start: st.start, Boot: bootID(), Command: command}, nil
}

func parseRecord(data []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("pid file: %w", err)
	}
	if r.PID < 1 || r.Start == 0 || r.Boot == "" {
		return Record{}, errors.New("pid file: pid, start or boot missing")
	}
	return r, nil
}

// PIDFile is where the pid file of a child (or of the server itself) lies.
func PIDFile(runDir, name string) string { return filepath.Join(runDir, name+".pid") }

// ReadRecord reads the pid file of name; ok is false when there is none or it
// is not a pid file (a crash may have left half of one).
func ReadRecord(runDir, name string) (r Record, ok bool, err error) {
	data, err := os.ReadFile(PIDFile(runDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, false, nil
	}
	if err != nil {
		return Record{}, false, err
	}
	if r, err = parseRecord(data); err != nil {
		return Record{}, false, nil
	}
	return r, true, nil
}

// Records reads every pid file of a run directory, by name.
func Records(runDir string) map[string]Record {
	found := map[string]Record{}
	files, _ := filepath.Glob(filepath.Join(runDir, "*.pid"))
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".pid")
		if r, ok, err := ReadRecord(runDir, name); err == nil && ok {
			found[name] = r
		}
	}
	return found
}

func writeRecord(runDir, name string, r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file := PIDFile(runDir, name)
	tmp := file + ".new"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

func removeRecord(runDir, name string) {
	_ = os.Remove(PIDFile(runDir, name))
}
