package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrNamespaceGone says that the network namespace of the server no longer
// exists, and with it everything that was in it.
var ErrNamespaceGone = errors.New("network namespace is gone")

// Within calls f in the network namespace that the server ran in: here, or in a
// named one, or in that of a process that is still there. Programs that f starts
// run there too.
func Within(i Instance, f func() error) error {
	here, err := NetNS("/proc/self/ns/net")
	if err != nil {
		return err
	}
	if here == i.NetNS {
		return f()
	}
	path, ok := namespacePath(i.NetNS)
	if !ok {
		return ErrNamespaceGone
	}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so that no other
		// goroutine finds itself in that namespace.
		runtime.LockOSThread()
		ns, err := os.Open(path)
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			done <- fmt.Errorf("network namespace %s: %w", path, err)
			return
		}
		done <- f()
	}()
	return <-done
}

func namespacePath(inode uint64) (string, bool) {
	for _, pattern := range []string{"/run/netns/*", "/var/run/netns/*", "/proc/[0-9]*/ns/net"} {
		paths, _ := filepath.Glob(pattern)
		for _, p := range paths {
			if ns, err := NetNS(p); err == nil && ns == inode {
				return p, true
			}
		}
	}
	return "", false
}
