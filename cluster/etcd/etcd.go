// Package etcd owns the store of the API server: one member of etcd inside this process,
// its size, and what is done about it while it runs. It never reads an object. fsync is
// never off. Start at Start; keep.go looks after a store that runs.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"

	"slipway.dev/cluster/pki"
)

// Config of the store.
type Config struct {
	// Dir is the store's; made if it is not there.
	Dir string
	// PKI of this server.
	PKI *pki.Files
	// Port and PeerPort on loopback.
	Port, PeerPort int
	// Quota in bytes, after which nothing more is written. 0: DefaultQuota.
	Quota int64
	// Near is another way to the store, for what is in the same process; it may be nil.
	Near *Near
	Log  *slog.Logger
}

// DefaultQuota is half of what etcd is made for.
const DefaultQuota = 4 << 30

// Store is a running member.
type Store struct {
	etcd  *embed.Etcd
	away  func() // ends the near way
	quota int64
	log   *slog.Logger
}

// URL that clients find a store at.
func URL(port int) url.URL {
	return url.URL{Scheme: "https", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
}

// Start starts the member. It serves soon after: clients try until it does.
func Start(c Config) (*Store, error) {
	if c.Quota == 0 {
		c.Quota = DefaultQuota
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	client, peer := URL(c.Port), URL(c.PeerPort)
	e := embed.NewConfig()
	e.Name = "server"
	e.Dir = c.Dir
	e.ListenClientUrls, e.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	e.ListenPeerUrls, e.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	e.InitialCluster = e.InitialClusterFromName(e.Name)
	e.InitialClusterToken = "slipway"
	e.ClientTLSInfo = mutualTLS(c.PKI.EtcdCA, c.PKI.EtcdServer)
	e.PeerTLSInfo = mutualTLS(c.PKI.EtcdCA, c.PKI.EtcdPeer)
	e.QuotaBackendBytes = c.Quota
	e.BackendFreelistType = "map"
	// The API server compacts every five minutes; this keeps the store small should it not.
	e.AutoCompactionMode, e.AutoCompactionRetention = embed.CompactorModePeriodic, "1h"
	// What came since the last snapshot stays in memory, and is applied again at the next
	// start: with more than 5000 of it etcd refuses requests until it is through. A snapshot
	// is small, the objects are in the store.
	e.SnapshotCount = 2000
	// More stays for members that lag behind, of which there are none: each is an object as
	// it was written, and upstream's 5000 of them are tens of megabytes.
	e.SnapshotCatchUpEntries = 500
	// A single member elects itself; waiting long for others makes no sense.
	e.TickMs, e.ElectionMs = 50, 250
	e.WarningApplyDuration = time.Second
	e.WarningUnaryRequestDuration = time.Second
	e.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapLogger(c.Log))
	etcd, err := embed.StartEtcd(e)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	s := &Store{etcd: etcd, quota: c.Quota, log: c.Log, away: func() {}}
	if c.Near != nil {
		s.away = c.Near.serve(etcd)
	}
	return s, nil
}

func mutualTLS(ca string, own pki.Pair) transport.TLSInfo {
	return transport.TLSInfo{CertFile: own.Cert, KeyFile: own.Key, TrustedCAFile: ca, ClientCertAuth: true}
}

// Wait returns when ctx ends, or why the store ended by itself.
func (s *Store) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.etcd.Err():
		return fmt.Errorf("etcd: %w", err)
	case <-s.etcd.Server.StopNotify():
		return errors.New("etcd: ended by itself")
	}
}

// Close stops the member and waits for it.
func (s *Store) Close() {
	s.away()
	s.etcd.Close()
}
