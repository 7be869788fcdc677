package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestUnfitMachines starts a server on machines that it would not work on, each a network
// and a table of processes of its own: it refuses at once, by name and with the next
// step, and leaves nothing behind.
func TestUnfitMachines(t *testing.T) {
	together(t)
	busybox := filepath.Join(top, "build", "payload", "busybox")
	tools := func(t *testing.T, names ...string) string {
		dir := t.TempDir()
		for _, name := range names {
			path, err := exec.LookPath(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	const table = "table ip filter {\n chain FORWARD {\n  type filter hook forward priority 0; policy drop;\n%s\n }\n}\n"
	nft := func(rules string) string { return "nft -f - <<'E'\n" + fmt.Sprintf(table, rules) + "E" }
	for name, c := range map[string]struct {
		// prepare is a shell command that makes the machine unfit, path the PATH of the server.
		prepare, path string
		args          []string
		want          []string
	}{
		"kubelet": {prepare: "bash -c 'exec -a kubelet sleep 60' & until pgrep -x -f 'kubelet 60' >/dev/null; do :; done",
			want: []string{"kubelet-running", "pid", "stop that Kubernetes"}},
		"busy port": {prepare: busybox + " httpd -f -p 127.0.0.1:2380 & until ss -ltnH | grep -q :2380; do :; done",
			want: []string{"port-taken", "127.0.0.1:2380 is taken by busybox (pid", "another port"}},
		"health port": {prepare: busybox + " httpd -f -p 10256 & until ss -ltnH | grep -q :10256; do :; done",
			want: []string{"port-taken", "127.0.0.1:10256"}},
		"overlapping route": {prepare: "ip link add d0 type bridge; ip addr add 192.0.2.1/24 dev d0; ip link set d0 up; ip route add 10.42.1.0/24 dev d0",
			want: []string{"pod-range", "10.42.0.0/16 overlaps route 10.42.1.0/24 by d0", "--pod-cidr"}},
		"overlapping bridge": {prepare: "ip link add d0 type bridge; ip addr add 10.41.0.77/24 dev d0; ip link set d0 up",
			want: []string{"node-range", "10.41.0.0/24 overlaps", "--node-ip"}},
		"forwarding dropped": {prepare: nft("ct state established,related accept"),
			want: []string{"forwarding-dropped", "chain FORWARD of table ip filter", "iptables -I FORWARD -s 10.42.0.0/16 -j ACCEPT"}},
		"no git": {path: tools(t, "nft", "mount", "umount"), want: []string{"missing-tool", "git is not in PATH", "apt-get install git"}},
		"no nft": {path: tools(t, "git", "mount", "umount"), want: []string{"missing-tool", "nft is not in PATH", "apt-get install nftables"}},
		// Bound over another program, as nobody may look into the checkout's directory.
		"not root": {prepare: "mount --bind \"$PROGRAM\" /usr/bin/yes; PROGRAM=/usr/bin/yes; run='setpriv --reuid=65534 --clear-groups'", want: []string{"not-root", "65534", "as root"}},
		"all at once": {prepare: nft("") + "\nip link add d0 type bridge; ip addr add 10.43.0.1/24 dev d0; ip link set d0 up",
			want: []string{"forwarding-dropped", "service-range"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := unfit(t, c.prepare, c.path)
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
	// What the advice says works: then the server comes to the next problem.
	for name, rules := range map[string]string{
		"advice taken":        "ip saddr 10.42.0.0/16 counter accept\n  ip daddr 10.42.0.0/16 counter accept",
		"pods by their names": "iifname \"veth*\" accept\n  oifname \"veth*\" accept",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := unfit(t, nft(rules), tools(t, "nft", "mount", "umount"))
			if !strings.Contains(out, "missing-tool") || strings.Contains(out, "forwarding-dropped") {
				t.Errorf("pods pass, and it says:\n%s", out)
			}
		})
	}
}

// unfit prepares a machine, starts a server on it and returns what that said.
func unfit(t *testing.T, prepare, path string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	script := `set -u
ip link set lo up
run=
` + prepare + `
state() { ip -4 -o addr; ip -o link; ip -4 route show table all; nft list ruleset; }
before=$(state)
began=$(date +%s%N)
PATH=$TOOLS $run "$PROGRAM" server --data-dir "$DATA" 2>&1
code=$?
echo "took $(( ($(date +%s%N) - began) / 1000000 )) ms"
[ "$before" = "$(state)" ] || { echo "the network is not as it was:"; echo "$before"; state; exit 90; }
kill $(jobs -p) 2>/dev/null
exit $code
`
	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "bash", "-c", script)
	if path == "" {
		path = os.Getenv("PATH")
	}
	cmd.Env = append(os.Environ(), "DATA="+dir, "PROGRAM="+binary, "TOOLS="+path)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("want exit status 1, have %v:\n%s", err, out)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data directory was made: %v", err)
	}
	return string(out)
}
