package way

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// opened gives a client of what listens at an address, through a way.
func opened(t *testing.T, server string, ca []byte) *http.Client {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://" + server, CertificateAuthorityData: ca}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := clientcmd.WriteToFile(*config, from); err != nil {
		t.Fatal(err)
	}
	if err := Open(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(to); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", st, err)
	}
	c, err := clientcmd.BuildConfigFromFlags("", to)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// A request to a server that is away has its answer when that is back, by HTTP/2 and TLS from
// end to end, and one to a server that was killed as well.
func TestAServerThatIsAwayIsWaitedFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Proto)) })
	start := func(l net.Listener) *httptest.Server {
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}, EnableHTTP2: true}
		s.StartTLS()
		return s
	}
	s := start(l)
	client := opened(t, address, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	ask := func() (string, error) {
		response, err := client.Get("https://" + address + "/")
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		return response.Proto, nil
	}
	if proto, err := ask(); err != nil || proto != "HTTP/2.0" {
		t.Fatalf("%s %v", proto, err)
	}
	for range 2 {
		s.CloseClientConnections()
		s.Close()
		answered := make(chan error, 1)
		go func() {
			_, err := ask()
			for errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
				_, err = ask() // the connection that was there had not been seen to end
			}
			answered <- err
		}()
		select {
		case err := <-answered:
			t.Fatalf("answered while the server was away: %v", err)
		case <-time.After(5 * every):
		}
		if l, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
		s = start(l)
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
}

// Nothing but the one address is connected to, and nothing but connections are made.
func TestItLeadsNowhereElse(t *testing.T) {
	there, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	s := httptest.NewServer(&proxy{to: there.Addr().String(), hold: time.Second})
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\nearly")); err != nil {
		t.Fatal(err)
	}
	got, err := there.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	b := make([]byte, 5)
	if _, err := got.Read(b); err != nil || string(b) != "early" {
		t.Errorf("%q %v", b, err)
	}
	response, err := http.Get(s.URL)
	if err != nil || response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%v %v", response, err)
	}
}

// What waits too long is told, and who goes away is not waited for.
func TestNobodyWaitsForEver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	p := &proxy{to: l.Addr().String(), hold: 3 * every}
	if _, err := p.dial(t.Context()); err == nil || !strings.Contains(err.Error(), "API server") {
		t.Errorf("%v", err)
	}
	p.hold = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 3*every)
	defer cancel()
	if _, err := p.dial(ctx); err == nil {
		t.Error("connected to nobody")
	}
}
