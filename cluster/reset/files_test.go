package reset

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway.dev/cluster/node/layout"
)

func TestMountPoints(t *testing.T) {
	got := mountPoints("36 35 98:0 / /var/lib/slip\\040way/x rw - ext4 /dev/root rw\n37 36 0:1 / /proc rw - proc proc rw\nshort\n")
	if want := []string{"/var/lib/slip way/x", "/proc"}; !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
}

func FuzzMountPoints(f *testing.F) {
	f.Add("36 35 98:0 / /var/lib/x rw - ext4 /dev/root rw\n")
	f.Add("\\0")
	f.Fuzz(func(t *testing.T, s string) {
		if n := len(mountPoints(s)); n > strings.Count(s, "\n")+1 {
			t.Fatalf("%d mount points", n)
		}
	})
}

func TestSocketOf(t *testing.T) {
	for text, want := range map[string]string{
		`{"address":"unix:///run/containerd/s/abc","protocol":"ttrpc"}`: "/run/containerd/s/abc",
		`{"address":"unix:///run/../etc/passwd"}`:                       "",
		`{"address":"unix:///etc/passwd"}`:                              "",
		`{"address":"vsock://3:1"}`:                                     "",
		`nonsense`:                                                      "",
	} {
		if got, ok := socketOf([]byte(text)); ok != (want != "") || (ok && got != want) {
			t.Errorf("%s: %q %v", text, got, ok)
		}
	}
}

func FuzzSocketOf(f *testing.F) {
	f.Add([]byte(`{"address":"unix:///run/containerd/s/abc"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, ok := socketOf(data); ok && (strings.Contains(s, "..") && filepath.Clean(s) != s) {
			t.Fatalf("accepted %q", s)
		}
	})
}

func TestOpenRefusesAStrangersDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Fatalf("opened: %v", err)
	}
}

func TestOpenOfNothing(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := Open(d); !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), d) {
			t.Errorf("%s: %v", d, err)
		}
	}
}

func TestResultsOfLoopback(t *testing.T) {
	l, err := layout.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	target := &Target{Layout: l}
	for netns, want := range map[string]bool{
		filepath.Join(l.DataDir, "buildkit/net/cni/x"): true, l.DataDir + "-other/buildkit/net/cni/x": false, "/run/netns/x": false, "": false,
	} {
		file := filepath.Join(t.TempDir(), "cni-loopback-x-lo")
		if err := os.WriteFile(file, []byte(`{"kind": "cniCacheV1", "netns": "`+netns+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := target.within(file); got != want {
			t.Errorf("%q: %v", netns, got)
		}
	}
}

func TestShimSocketsAreReadFromBundles(t *testing.T) {
	l, err := layout.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(l.ContainerdState(), "io.containerd.runtime.v2.task", "k8s.io", "x")
	if err := os.MkdirAll(bundle, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "bootstrap.json"), []byte(`{"address":"unix:///run/containerd/s/abc"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := shimSockets(l); !slices.Contains(got, "/run/containerd/s/abc") {
		t.Fatalf("%q", got)
	}
}

func TestAbandonedSockets(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	if abandoned(socket) {
		t.Error("one that is not there")
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	if abandoned(socket) {
		t.Error("somebody listens")
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	if !abandoned(socket) {
		t.Error("nobody listens any more")
	}
}
