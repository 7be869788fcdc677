package etcd

import (
	"context"
	"net"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"
)

// Near is a way to the store from within its process: the same protocol, without a socket
// and without TLS, which are a third of what a small request costs. Nothing outside of the
// process can take it.
type Near struct{ listener *bufconn.Listener }

// nearBuffer of one connection in each direction; the API server has one for each kind.
const nearBuffer = 16 << 10

// NewNear is a way to the store that is given it in its Config.
func NewNear() *Near { return &Near{bufconn.Listen(nearBuffer)} }

// Dial waits until the store is there.
func (n *Near) Dial(ctx context.Context) (net.Conn, error) { return n.listener.DialContext(ctx) }

// serve the store until the returned function is called.
func (n *Near) serve(e *embed.Etcd) (stop func()) {
	c := e.Config()
	s := v3rpc.Server(e.Server, nil, nil, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: c.GRPCKeepAliveMinTime}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(n.listener) // it ends when it is stopped
	}()
	return func() {
		s.Stop()
		<-done
	}
}
