package metrics

import (
	"context"
	"net"

	commonconfig "github.com/prometheus/common/config"
)

// Names of targets that listen on a socket of this machine and have no address. They are
// no names of DNS, and only the shipped jobs may use them.
const (
	selfHost     = "observe.slipway.internal:80"
	buildkitHost = "buildkit.slipway.internal:80"
)

// dial connects to a target, by its socket where it has one.
func (t Targets) dial() commonconfig.HTTPClientOption {
	sockets := map[string]string{selfHost: t.Self, buildkitHost: t.Buildkit}
	var d net.Dialer
	return commonconfig.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		if s := sockets[address]; s != "" {
			return d.DialContext(ctx, "unix", s)
		}
		return d.DialContext(ctx, network, address)
	})
}
