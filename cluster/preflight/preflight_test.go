package preflight

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPortTakenNamesTheHolder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	found := ports([]string{l.Addr().String()}, nil)
	if len(found) != 1 || found[0].Name != "port-taken" || !strings.Contains(found[0].Reason, "pid "+strconv.Itoa(os.Getpid())) {
		t.Fatalf("%v", found)
	}
	// What our own daemons hold is no problem.
	if found := ports([]string{l.Addr().String()}, map[int]bool{os.Getpid(): true}); len(found) != 0 {
		t.Fatalf("own: %v", found)
	}
}

func TestForeignKubelet(t *testing.T) {
	for argv, want := range map[string]bool{
		"/usr/bin/kubelet --config x":           true,
		"/usr/local/bin/k3s server":             true,
		"/usr/local/bin/k3s kubectl get pods":   false,
		"/usr/local/bin/slipway kubelet --conf": false,
		"/snap/microk8s/7000/kubelite --x":      true,
		"k3s-agent":                             true,
		"vim kubelet":                           false,
		"":                                      false,
	} {
		if got := isForeignKubelet(strings.Fields(argv)); got != want {
			t.Errorf("%q: %v", argv, got)
		}
	}
}

func FuzzParseListener(f *testing.F) {
	f.Add("0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 1")
	f.Fuzz(func(t *testing.T, line string) {
		if port, inode, ok := parseListener(line); ok && (port < 0 || port > 65535 || inode == "") {
			t.Fatal(port, inode)
		}
	})
}

func TestCgroupsMissing(t *testing.T) {
	dir := t.TempDir()
	if found := cgroups(dir); len(found) != 1 || !strings.Contains(found[0].Reason, "memory") {
		t.Fatalf("%v", found)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte("cpuset cpu io memory pids\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found := cgroups(dir); len(found) != 0 {
		t.Fatalf("%v", found)
	}
}

func TestClock(t *testing.T) {
	if found := clock(time.Unix(0, 0)); len(found) != 1 {
		t.Fatalf("%v", found)
	}
	if found := clock(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)); len(found) != 0 {
		t.Fatalf("%v", found)
	}
}

func TestRangesThatOverlapOneAnother(t *testing.T) {
	found := ranges(Config{PodCIDR: "10.42.0.0/16", ServiceCIDR: "10.42.128.0/17"})
	if len(found) != 1 || found[0].Name != "service-range" {
		t.Fatalf("%v", found)
	}
	if found := ranges(Config{PodCIDR: "127.0.0.0/16", ServiceCIDR: "10.43.0.0/16"}); len(found) != 1 || found[0].Name != "pod-range" {
		t.Fatalf("over loopback: %v", found)
	}
}

// TestPortsOfAProcessThatDies are waited for, and those of one that lives are not for ever.
func TestPortsOfAProcessThatDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		if !freed(func() bool { looks++; return looks < 4 }, time.Now().Add(dying)) || looks != 4 {
			t.Errorf("not freed after %d looks", looks)
		}
		began := time.Now()
		if freed(func() bool { return true }, began.Add(dying)) || time.Since(began) != dying {
			t.Errorf("given up after %s", time.Since(began))
		}
	})
}
