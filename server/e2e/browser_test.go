package e2e

import (
	"io"
	"net"
	"net/url"
	"os/exec"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// besideTheNode runs a browser's command in a network namespace of its own, in which the
// server has the address that it has here. A browser drops its requests whenever an interface
// comes or goes, as they do on a node with each pod, and people look from elsewhere.
func besideTheNode(t *testing.T, server string, cmd *exec.Cmd) ([]byte, error) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread, and with it the namespace, ends with this
		done <- func() error {
			ns, err := netns.New()
			if err != nil {
				return err
			}
			defer ns.Close()
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return err
			}
			if err := netlink.LinkSetUp(lo); err != nil {
				return err
			}
			l, err := net.Listen("tcp", u.Host)
			if err != nil {
				return err
			}
			defer l.Close()
			go passOn(l)
			out, err = cmd.CombinedOutput()
			return err
		}()
	}()
	err = <-done
	return out, err
}

// passOn gives each connection that l takes to the same address here.
func passOn(l net.Listener) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer from.Close()
			to, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				return
			}
			defer to.Close()
			go func() {
				_, _ = io.Copy(to, from)
				_ = to.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(from, to)
		}()
	}
}
