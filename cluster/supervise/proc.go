package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// procStat is the part of /proc/<pid>/stat that identifies a process.
type procStat struct {
	state byte
	start uint64
}

// parseStat reads one /proc/<pid>/stat line. The command name may hold spaces
// and parentheses, so fields count from the last parenthesis.
func parseStat(line []byte) (procStat, error) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return procStat{}, errors.New("process stat: no command name")
	}
	fields := strings.Fields(string(line[end+1:]))
	// fields[0] is field 3 (state); the start time is field 22.
	if len(fields) < 20 || len(fields[0]) != 1 {
		return procStat{}, errors.New("process stat: too few fields")
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return procStat{}, fmt.Errorf("process stat: start time: %w", err)
	}
	return procStat{state: fields[0][0], start: start}, nil
}

func readStat(pid int) (procStat, error) {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(line)
}

// Started is when the process began, in ticks since the machine's start.
func Started(pid int) (uint64, error) {
	st, err := readStat(pid)
	return st.start, err
}

// alive says whether pid runs now and began at start. A zombie is not alive.
func alive(pid int, start uint64) bool {
	st, err := readStat(pid)
	return err == nil && st.start == start && st.state != 'Z' && st.state != 'X'
}

// bootID tells one boot of the machine from the next, so that a pid file that
// survived a reboot never names a stranger.
var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(id))
})

// markerEnv names, in a child's environment, the run directory and name it was
// started for. It finds a child again that was started an instant before the
// server was killed, when no pid file had been written yet.
const markerEnv = "SLIPWAY_CHILD"

// findMarked looks through /proc for a process with exactly this command line
// and marker. Descendants inherit the marker, but not the command line.
func findMarked(marker string, argv []string) (int, bool) {
	want := []byte(strings.Join(argv, "\x00") + "\x00")
	entry := []byte(markerEnv + "=" + marker)
	for _, pid := range Pids() {
		dir := filepath.Join("/proc", strconv.Itoa(pid))
		cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !bytes.Equal(cmdline, want) {
			continue
		}
		environ, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue
		}
		for _, kv := range bytes.Split(environ, []byte{0}) {
			if bytes.Equal(kv, entry) {
				return pid, true
			}
		}
	}
	return 0, false
}

// Pids lists the processes of this machine (of this pid namespace).
func Pids() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
