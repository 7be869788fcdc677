package arrival

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var pod = Pod{Namespace: "shop", Name: "web-1", UID: "u", Addr: netip.MustParseAddr("10.42.0.7")}

func listen(t *testing.T, socket string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	return l
}

func TestTell(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	if err := Tell(t.Context(), socket, pod); err != nil {
		t.Errorf("without a socket: %v", err)
	}
	l := listen(t, socket)
	served := make(chan struct{})
	go func() {
		defer close(served)
		Serve(t.Context(), l, time.Second, func(ctx context.Context, p Pod) error {
			switch p.Name {
			case "web-1":
				if p != pod {
					t.Errorf("told of %v", p)
				}
				return nil
			case "slow":
				<-ctx.Done()
				return ctx.Err()
			}
			return errors.New("no such pod")
		})
	}()
	if err := Tell(t.Context(), socket, pod); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"other": "no such pod", "slow": "deadline", "": "has a namespace, a name"} {
		p := pod
		p.Name = name
		if err := Tell(t.Context(), socket, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	_ = l.Close()
	<-served

	// While the server is away, the plugin waits; it goes on when somebody answers again, or
	// when there is nothing to ask any more.
	soon, cancel := context.WithTimeout(t.Context(), 2*again)
	defer cancel()
	if err := Tell(soon, socket, pod); err == nil || !strings.Contains(err.Error(), "nobody who enforces them answers") {
		t.Error(err)
	}
	for name, come := range map[string]func(){
		"answers": func() {
			_ = os.Remove(socket)
			l := listen(t, socket)
			t.Cleanup(func() { _ = l.Close() })
			go Serve(t.Context(), l, time.Second, func(context.Context, Pod) error { return nil })
		},
		"is gone": func() { _ = os.Remove(socket) },
	} {
		_ = os.Remove(socket)
		_ = listen(t, socket).Close()
		told := make(chan error)
		go func() { told <- Tell(t.Context(), socket, pod) }()
		come()
		if err := <-told; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"namespace":"shop","name":"web","uid":"u","addr":"10.42.0.7"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if p, err := parse(bytes.NewReader(in)); err == nil && (p.Name == "" || !p.Addr.Is4()) {
			t.Errorf("%+v is taken", p)
		}
	})
}
