package preflight

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"slipway.dev/cluster/supervise"
)

// ports tries each address the way the server will listen on it.
func ports(addresses []string, own map[int]bool) []Problem {
	var found []Problem
	until := time.Now().Add(dying)
	for _, a := range addresses {
		if !busy(a) {
			continue
		}
		_, text, err := net.SplitHostPort(a)
		if err != nil {
			continue
		}
		port, _ := strconv.Atoi(text)
		pid, program := holder(port)
		if own[pid] || pid == 0 && freed(func() bool { return busy(a) }, until) {
			continue
		}
		who := "another program (perhaps in another container)"
		if pid > 0 {
			who = fmt.Sprintf("%s (pid %d)", program, pid)
		}
		found = append(found, Problem{"port-taken", fmt.Sprintf("%s is taken by %s", a, who), "stop it, or configure another port"})
	}
	return found
}

// dying is how long a server that was killed may take to give its ports back, which nobody
// holds any more then: the kernel takes its memory away first.
const dying = 5 * time.Second

// freed says whether what is busy no longer is before that time.
func freed(busy func() bool, until time.Time) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for busy() {
		if !(<-tick.C).Before(until) {
			return false
		}
	}
	return true
}

// holder finds the process that listens on a TCP port in this network namespace.
func holder(port int) (pid int, program string) {
	inodes := map[string]bool{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if p, inode, ok := parseListener(lines.Text()); ok && p == port {
				inodes["socket:["+inode+"]"] = true
			}
		}
		_ = f.Close()
	}
	if len(inodes) == 0 {
		return 0, ""
	}
	for _, pid := range supervise.Pids() {
		proc := filepath.Join("/proc", strconv.Itoa(pid))
		fds, err := os.ReadDir(filepath.Join(proc, "fd"))
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if target, err := os.Readlink(filepath.Join(proc, "fd", fd.Name())); err == nil && inodes[target] {
				comm, _ := os.ReadFile(filepath.Join(proc, "comm"))
				return pid, strings.TrimSpace(string(comm))
			}
		}
	}
	return 0, ""
}

// parseListener reads one line of /proc/net/tcp.
func parseListener(line string) (port int, inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != "0A" { // LISTEN
		return 0, "", false
	}
	_, text, found := strings.Cut(fields[1], ":")
	raw, err := hex.DecodeString(text)
	if !found || err != nil || len(raw) != 2 {
		return 0, "", false
	}
	return int(raw[0])<<8 | int(raw[1]), fields[9], true
}
