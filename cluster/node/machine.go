package node

import (
	"bufio"
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"slipway.dev/cluster/node/layout"
)

// snapshotter is overlayfs where the data directory can hold upper layers, and
// native (copies) where it lies on an overlay itself, as inside a container.
func snapshotter(l layout.Layout) string {
	var st unix.Statfs_t
	for dir := l.DataDir; ; dir = filepath.Dir(dir) {
		if err := unix.Statfs(dir, &st); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "overlayfs"
		}
	}
	if st.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native"
	}
	return "overlayfs"
}

// resolvConf picks the resolver configuration that pods with dnsPolicy Default
// (CoreDNS among them) inherit. A loopback name server means nothing inside a
// pod, so such a file is replaced by systemd-resolved's own, or by one of ours
// with the loopback servers left out.
func resolvConf(l layout.Layout) (string, error) {
	for _, file := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if kept, loopback := withoutLoopback(data); !loopback && len(kept) > 0 {
			return file, nil
		}
	}
	data, _ := os.ReadFile("/etc/resolv.conf")
	kept, _ := withoutLoopback(data)
	file := filepath.Join(l.Config(), "resolv.conf")
	if err := os.MkdirAll(l.Config(), 0o700); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, kept, 0o644)
}

// withoutLoopback drops name servers that only this machine can reach.
func withoutLoopback(data []byte) (kept []byte, found bool) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && fields[0] == "nameserver" {
			if ip, err := netip.ParseAddr(fields[1]); err == nil && ip.IsLoopback() {
				found = true
				continue
			}
		}
		kept = append(append(kept, lines.Bytes()...), '\n')
	}
	return kept, found
}
