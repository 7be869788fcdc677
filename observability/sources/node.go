// Package sources owns the figures that the observe child makes itself for its
// Prometheus to scrape: those of the machine, by node_exporter's collectors, and the
// state of Kubernetes' objects, by kube-state-metrics. It never stores anything.
//
// Start at Node and Objects; both are handlers of a page of metrics.
package sources

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"sync"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/node_exporter/collector"
)

// collectors of node_exporter that are asked: what dashboards and rules use. The others
// cost more than they tell on a machine of a cluster.
var collectors = []string{
	"conntrack", "cpu", "diskstats", "filefd", "filesystem", "loadavg", "meminfo", "netdev", "os", "pressure", "stat", "time", "uname", "vmstat",
}

// node_exporter reads its settings from the command line's flags, which are the process'.
var parsed sync.Once

// Node answers with the figures of this machine. What lies below dataDir is left out of
// the file systems: it is mounts of containers, of which there are hundreds.
func Node(dataDir string, log *slog.Logger) (http.Handler, error) {
	var err error
	parsed.Do(func() {
		_, err = kingpin.CommandLine.Parse([]string{
			"--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/docker|var/lib/containers/storage|var/lib/kubelet)($|/)|^" + regexp.QuoteMeta(dataDir) + "/",
			"--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|erofs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tmpfs|tracefs)$",
			"--collector.netdev.device-exclude=^(veth.*|lo|cali.*|tunl.*|ip6tnl.*|sit.*|dummy.*)$",
			"--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$",
		})
	})
	if err != nil {
		return nil, fmt.Errorf("figures of the node: %w", err)
	}
	// A collector that does not fit the kernel fails at every scrape; its series
	// node_scrape_collector_success says so, and the log need not.
	nc, err := collector.NewNodeCollector(slog.New(quiet{log.Handler()}), collectors...)
	if err != nil {
		return nil, fmt.Errorf("figures of the node: %w", err)
	}
	reg := prometheus.NewRegistry()
	if err := reg.Register(nc); err != nil {
		return nil, fmt.Errorf("figures of the node: %w", err)
	}
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 2}), nil
}
