// Package way owns the way of a kubelet to its API server: a connection waits for a server
// that is away, and is not refused. What is refused backs off, each watch by itself and up to
// a minute, and as long would pods wait after the server is back. It never looks into what it
// carries, which is TLS from end to end, and leads nowhere else.
//
// Start at Open.
package way

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"slipway.dev/cluster/atomicfile"
)

const (
	// hold is how long a connection waits. A client of net/http gives a proxy a minute.
	hold  = 55 * time.Second
	every = 50 * time.Millisecond
)

// Open listens on loopback until ctx ends, and writes a kubeconfig that is as another one but
// leads through here.
func Open(ctx context.Context, from, to string) error {
	config, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return err
	}
	var server *url.URL
	if c := config.Contexts[config.CurrentContext]; c != nil && config.Clusters[c.Cluster] != nil {
		if server, err = url.Parse(config.Clusters[c.Cluster].Server); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	if server == nil || server.Port() == "" {
		return fmt.Errorf("%s: no server with a port in its current context", from)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	for _, c := range config.Clusters {
		c.ProxyURL = "http://" + l.Addr().String()
	}
	data, err := clientcmd.Write(*config)
	if err == nil {
		err = atomicfile.Write(to, data, 0o600)
	}
	if err != nil {
		_ = l.Close()
		return err
	}
	s := &http.Server{Handler: &proxy{to: server.Host, hold: hold}, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	go func() { _ = s.Serve(l) }() // ends when it is closed
	return nil
}

// proxy answers CONNECT, and connects to one address whatever is asked for.
type proxy struct {
	to   string
	hold time.Duration
}

// ServeHTTP satisfies http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	there, err := p.dial(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer here.Close()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connected\r\n\r\n"); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		carry(there, io.MultiReader(io.LimitReader(buffered.Reader, int64(buffered.Reader.Buffered())), here))
	})
	both.Go(func() { carry(here, there) })
	both.Wait()
}

// dial until somebody is there, the caller goes or it has waited long enough.
func (p *proxy) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.hold)
	defer cancel()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.to)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("API server: %w", err)
		case <-t.C:
		}
	}
}

// carry what comes from one side to the other, and that it has ended.
func carry(to net.Conn, from io.Reader) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close() // which ends the other direction too
}
