package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
)

func loopback(port int) url.URL {
	return url.URL{Scheme: "https", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
}

// startEtcd starts the one member of the store. It serves when its ReadyNotify is
// closed. fsync is never off.
func startEtcd(c Config) (*embed.Etcd, error) {
	if err := os.MkdirAll(c.etcdDir(), 0o700); err != nil {
		return nil, err
	}
	client, peer := loopback(c.EtcdPort), loopback(c.EtcdPeerPort)
	e := embed.NewConfig()
	e.Name = "server"
	e.Dir = c.etcdDir()
	e.ListenClientUrls, e.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	e.ListenPeerUrls, e.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	e.InitialCluster = e.InitialClusterFromName(e.Name)
	e.InitialClusterToken = "slipway"
	e.ClientTLSInfo = mutualTLS(c, c.PKI.EtcdServer.Cert, c.PKI.EtcdServer.Key)
	e.PeerTLSInfo = mutualTLS(c, c.PKI.EtcdPeer.Cert, c.PKI.EtcdPeer.Key)
	e.QuotaBackendBytes = c.EtcdQuota
	e.BackendFreelistType = "map"
	// The API server compacts every five minutes; this keeps the store small should it not.
	e.AutoCompactionMode, e.AutoCompactionRetention = embed.CompactorModePeriodic, "1h"
	// Few objects are large, and a snapshot every 10000 entries keeps memory low.
	e.SnapshotCount = 10000
	// A single member elects itself; waiting long for others makes no sense.
	e.TickMs, e.ElectionMs = 50, 250
	e.WarningApplyDuration = time.Second
	e.WarningUnaryRequestDuration = time.Second
	e.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapLogger(c.Log))
	etcd, err := embed.StartEtcd(e)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return etcd, nil
}

func mutualTLS(c Config, cert, key string) transport.TLSInfo {
	return transport.TLSInfo{CertFile: cert, KeyFile: key, TrustedCAFile: c.PKI.EtcdCA, ClientCertAuth: true}
}

const (
	defragmentEvery = 10 * time.Minute
	// defragmentAt so much of the file unused, if it is also a half of it.
	defragmentAt = 64 << 20
)

// defragment gives the space that compaction freed back to the file system. It blocks
// writes for some tens of milliseconds a 100 MB, so it runs only when it is worth it.
func defragment(ctx context.Context, etcd *embed.Etcd, log *slog.Logger) {
	t := time.NewTicker(defragmentEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		backend := etcd.Server.Backend()
		size, used := backend.Size(), backend.SizeInUse()
		if !worthDefragmenting(size, used) {
			continue
		}
		start := time.Now()
		if err := backend.Defrag(); err != nil {
			log.Error("etcd not defragmented", "error", err)
			continue
		}
		log.Info("etcd defragmented", "before", size, "after", backend.Size(), "took", time.Since(start))
	}
}

func worthDefragmenting(size, used int64) bool {
	free := size - used
	return free >= defragmentAt && free*2 >= size
}
