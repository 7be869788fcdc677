// Package preflight owns the look at the machine before a server starts: what
// would break it is refused by name, with the reason and the next step. It never
// changes anything, and it never objects to what this data directory's own
// daemons hold. Start at Check.
package preflight

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"slipway.dev/cluster/disk"
	"slipway.dev/cluster/node/layout"
	"slipway.dev/cluster/supervise"
)

// Problem is one thing that keeps the server from starting.
type Problem struct {
	Name   string `json:"name"`   // such as kubelet-running; stable
	Reason string `json:"reason"` // what was found
	Next   string `json:"next"`   // what to do
}

func (p Problem) String() string { return p.Name + ": " + p.Reason + "; " + p.Next }

// Config says what the server is about to use.
type Config struct {
	DataDir     string
	PodCIDR     string
	ServiceCIDR string
	NodeIP      string   // optional: given by the user, instead of chosen
	Ports       []string // TCP addresses that will be listened on: "127.0.0.1:2379", ":8443"
}

// Check looks at everything and returns all problems at once.
func Check(ctx context.Context, c Config) []Problem {
	if os.Geteuid() != 0 {
		return []Problem{{"not-root", "the server runs as user " + strconv.Itoa(os.Geteuid()), "start it as root: containers, mounts and nftables need it"}}
	}
	l, err := layout.New(c.DataDir)
	if err != nil {
		return []Problem{{"data-directory", err.Error(), "give another --data-dir"}}
	}
	own := ownProcesses(l)
	var found []Problem
	found = append(found, serverRunning(l)...)
	found = append(found, dataDir(l)...)
	found = append(found, tools()...)
	found = append(found, cgroups("/sys/fs/cgroup")...)
	found = append(found, clock(time.Now())...)
	found = append(found, kubeletRunning(own)...)
	found = append(found, ports(c.Ports, own)...)
	found = append(found, ranges(c)...)
	if !hasTool("nft") {
		return found
	}
	return append(found, forwarding(ctx, c.PodCIDR)...)
}

// ownProcesses are the server of this data directory and what it left; they are
// adopted or replaced, and are no problem.
func ownProcesses(l layout.Layout) map[int]bool {
	own := map[int]bool{os.Getpid(): true}
	for _, r := range supervise.Records(l.Run()) {
		if r.Alive() {
			own[r.PID] = true
		}
	}
	return own
}

func serverRunning(l layout.Layout) []Problem {
	r, ok, err := supervise.ReadRecord(l.Run(), supervise.ServerName)
	if err != nil || !ok || !r.Alive() || r.PID == os.Getpid() {
		return nil
	}
	return []Problem{{"server-running", fmt.Sprintf("a server (pid %d) runs on %s already", r.PID, l.DataDir),
		"stop it first, or give another --data-dir and other ports"}}
}

const (
	// minFree is asked of a first start; a server that was here before has to come
	// back as long as its data is not at risk, and its status says the rest.
	minFree      = 2 << 30
	minFreeAgain = disk.Evict + 64<<20
	// As much is asked of a first start; who was here before has to come back, and says it.
	minInodesPart = disk.FilesReserve + 0.01
	minFilesAgain = 1000
)

func dataDir(l layout.Layout) []Problem {
	var found []Problem
	// A Unix socket address holds 107 bytes.
	if len(l.DataDir)+len("/run/containerd.sock.ttrpc") > 107 {
		found = append(found, Problem{"data-directory", fmt.Sprintf("%s is too long for Unix sockets below it", l.DataDir), "give a shorter --data-dir"})
	}
	dir := l.DataDir
	var st unix.Statfs_t
	for unix.Statfs(dir, &st) != nil && dir != "/" {
		dir = filepath.Dir(dir)
	}
	free, size := st.Bavail*uint64(st.Bsize), st.Blocks*uint64(st.Bsize)
	need, files := uint64(minFree), minInodesPart*float64(st.Files)
	if _, err := os.Stat(l.Instance()); err == nil {
		need, files = minFreeAgain, minFilesAgain
	}
	if size > 0 && free < need {
		found = append(found, Problem{"disk-full", fmt.Sprintf("%s has %d MiB free of %d MiB", dir, free>>20, size>>20),
			fmt.Sprintf("free at least %d MiB, or give a --data-dir on another disk", need>>20)})
	}
	if st.Files > 0 && float64(st.Ffree) < files {
		found = append(found, Problem{"disk-full", fmt.Sprintf("%s can hold %d more files only (df -i)", dir, st.Ffree), "delete many small files, or give a --data-dir on another disk"})
	}
	if st.Flags&unix.ST_NOEXEC != 0 {
		found = append(found, Problem{"data-directory", dir + " is mounted noexec", "remount it with exec, or give another --data-dir"})
	}
	return found
}

// needed are the programs that the server and its daemons start, by their packages; all
// else is brought along.
var needed = map[string]string{"git": "git", "nft": "nftables", "mount": "mount", "umount": "mount"}

func hasTool(name string) bool { _, err := exec.LookPath(name); return err == nil }

func tools() []Problem {
	var found []Problem
	for tool, pkg := range needed {
		if !hasTool(tool) {
			found = append(found, Problem{"missing-tool", tool + " is not in PATH", "install it (Debian: apt-get install " + pkg + ")"})
		}
	}
	slices.SortFunc(found, func(a, b Problem) int { return strings.Compare(a.Reason, b.Reason) })
	return found
}

// cgroups looks for the controllers without which the kubelet does not start.
func cgroups(mount string) []Problem {
	var missing []string
	unified, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers"))
	for _, name := range []string{"cpu", "cpuset", "memory", "pids"} {
		if err == nil {
			if !slices.Contains(strings.Fields(string(unified)), name) {
				missing = append(missing, name)
			}
		} else if _, err := os.Stat(filepath.Join(mount, name, "cgroup.procs")); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return []Problem{{"cgroup-missing", "no controller " + strings.Join(missing, ", ") + " below " + mount,
		"mount cgroups, or enable the controller on the kernel command line (such as cgroup_enable=memory)"}}
}

// clock refuses a time at which no certificate could be valid.
func clock(now time.Time) []Problem {
	if y := now.Year(); y >= 2025 && y < 2100 {
		return nil
	}
	return []Problem{{"clock-wrong", "it is " + now.UTC().Format(time.RFC3339) + " here", "set the clock; certificates would be valid at the wrong time"}}
}

// kubeletRunning finds a kubelet that is not ours. Two on one machine kill each
// other's pods; ours of another data directory has a cgroup of its own and
// clashes at most over ports.
func kubeletRunning(own map[int]bool) []Problem {
	for _, pid := range supervise.Pids() {
		data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err != nil || own[pid] {
			continue
		}
		// Some write a title over it, with spaces.
		argv := strings.Fields(strings.ReplaceAll(string(data), "\x00", " "))
		if isForeignKubelet(argv) {
			return []Problem{{"kubelet-running", fmt.Sprintf("a kubelet of another Kubernetes runs here (pid %d, %s)", pid, argv[0]),
				"stop that Kubernetes first, or use it instead of the bundled one"}}
		}
	}
	return nil
}

// isForeignKubelet knows kubelet itself and the programs that carry one inside.
func isForeignKubelet(argv []string) bool {
	if len(argv) == 0 {
		return false
	}
	switch base := filepath.Base(argv[0]); base {
	case "kubelet", "kubelite", "k3s-server", "k3s-agent":
		return true
	case "hyperkube":
		return slices.Contains(argv, "kubelet")
	case "k3s", "rke2", "k0s":
		return len(argv) > 1 && slices.Contains([]string{"server", "agent", "controller", "worker"}, argv[1])
	}
	return false
}

// busy says whether somebody listens on an address already.
func busy(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return strings.Contains(err.Error(), "in use")
	}
	_ = l.Close()
	return false
}
