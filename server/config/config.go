// Package config owns the settings of `slipway server`: their names, defaults
// and where they come from. It never acts on them. Later sources win: the
// defaults, the YAML file (decoded strictly), SLIPWAY_* variables, flags.
//
// Start at Config; each field names its key in the file, its flag is the same
// name in kebab case and its variable the same in upper case. Load puts them together.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"slipway.dev/cluster/network"
	"slipway.dev/observability/grafana"
)

// Config is everything that `slipway server` can be told.
type Config struct {
	// DataDir holds everything that Slipway keeps, and its sockets.
	DataDir string `yaml:"dataDir"`
	// NodeName of this machine in the cluster; default the host name.
	NodeName string `yaml:"nodeName"`
	// NodeIP that the other parts reach this machine at; default the address
	// of the interface with the default route.
	NodeIP string `yaml:"nodeIP"`
	// HTTPS address of the front door.
	HTTPS string `yaml:"https"`
	// HTTP address of the front door in plain HTTP; a loopback address.
	HTTP string `yaml:"http"`
	// TLSCert and TLSKey replace the certificate of our own authority.
	TLSCert string `yaml:"tlsCert"`
	TLSKey  string `yaml:"tlsKey"`
	// URL that people reach the front door at; default made from HTTP.
	URL string `yaml:"url"`
	// APIServerPort of Kubernetes.
	APIServerPort int `yaml:"apiserverPort"`
	// EtcdPort on loopback.
	EtcdPort int `yaml:"etcdPort"`
	// EtcdQuota in bytes, after which the cluster takes no more objects.
	EtcdQuota int64 `yaml:"etcdQuota"`
	// PodCIDR and ServiceCIDR are the cluster's ranges.
	PodCIDR     string `yaml:"podCIDR"`
	ServiceCIDR string `yaml:"serviceCIDR"`
	// Seeds is a directory of base images that are put into the registry at start;
	// default that of SeedsOf this program.
	Seeds string `yaml:"seeds"`
	// Upstreams are registries that are pulled through, besides the public ones, and
	// where each is asked.
	Upstreams Upstreams `yaml:"upstreams"`
	// PrivateSources allows repositories, charts and upstreams at private addresses.
	PrivateSources bool `yaml:"privateSources"`
	// RemoteIncludes allows include:remote in pipeline files, from public addresses
	// or, with PrivateSources, any.
	RemoteIncludes bool `yaml:"remoteIncludes"`
	// RemoteBases allows bases of Kustomize in other repositories, at a tag or a commit,
	// at public addresses or, with PrivateSources, any.
	RemoteBases bool `yaml:"remoteBases"`
	// ScrapeInterval of the metrics.
	ScrapeInterval time.Duration `yaml:"scrapeInterval"`
	// Alerts that fire, and where they go.
	Alerts Alerts `yaml:"alerts"`
	// Metrics that are kept.
	Metrics Metrics `yaml:"metrics"`
	// Grafana that is provisioned.
	Grafana Grafana `yaml:"grafana"`
	// Logs are where lines come from and go to besides the embedded store.
	Logs Logs `yaml:"logs"`
	// CacheLimit is how many bytes the caches of jobs may take, JobLogLimit one job's log.
	CacheLimit  int64 `yaml:"cacheLimit"`
	JobLogLimit int64 `yaml:"jobLogLimit"`
	// Runs and Jobs at one time, in all namespaces; more wait in turn.
	Runs Runs `yaml:"runs"`
	Jobs Jobs `yaml:"jobs"`
	// LogLevel: debug, info, warn, error. LogFormat: text, json.
	LogLevel  string `yaml:"logLevel"`
	LogFormat string `yaml:"logFormat"`
	// NetworkPolicies are enforced.
	NetworkPolicies bool `yaml:"networkPolicies"`
	// UpstreamDefaults runs kubelet, Tekton and the entrypoint with upstream's
	// settings, for the comparison of `make bench`.
	UpstreamDefaults bool `yaml:"upstreamDefaults"`
	// Profiling of the server through the Kubernetes API, for administrators.
	Profiling bool `yaml:"profiling"`
}

// What the log of one job may have; the node's own limit is above the most.
const (
	minJobLog = 64 << 10
	maxJobLog = 128 << 20
)

// What etcd may take on disk: a cluster needs room for itself, and etcd is not made for more.
const (
	minEtcdQuota = 64 << 20
	maxEtcdQuota = 8 << 30
)

// Limit of how many there may be at one time.
type Limit struct {
	// Max; 0 is no limit.
	Max int `yaml:"max"`
}

// Runs in all namespaces.
type Runs struct {
	Limit `yaml:",inline"`
	// ArchiveAfter is how long a run that is over stays an object of Kubernetes.
	ArchiveAfter time.Duration `yaml:"archiveAfter"`
}

// Jobs in all namespaces.
type Jobs struct {
	Limit `yaml:",inline"`
	// Outside is what jobs may reach besides DNS, the front door and their own services:
	// public, private, ranges, or none.
	Outside string `yaml:"outside"`
}

// Default is the configuration that needs none.
func Default() Config {
	return Config{
		DataDir:        "/var/lib/slipway",
		HTTPS:          ":8443",
		HTTP:           "127.0.0.1:8080",
		APIServerPort:  6443,
		EtcdPort:       2379,
		EtcdQuota:      4 << 30,
		PodCIDR:        "10.42.0.0/16",
		ServiceCIDR:    "10.43.0.0/16",
		ScrapeInterval: 30 * time.Second,
		Metrics:        Metrics{Retention: 15 * 24 * time.Hour, MaxBytes: 4 << 30, MaxSeries: 100_000},
		Logs:           Logs{Read: "store", Buffer: 1 << 30},
		Grafana:        Grafana{Edits: grafana.Keep},
		CacheLimit:     10 << 30,
		JobLogLimit:    64 << 20,
		Runs:           Runs{ArchiveAfter: time.Hour},
		Jobs:           Jobs{Limit: Limit{Max: 80}, Outside: network.Public}, // a node has room for 110 pods
		LogLevel:       "info",
		LogFormat:      "text",

		NetworkPolicies: true,
	}
}

// Flags binds every setting to a flag of fs.
func (c *Config) Flags(fs *pflag.FlagSet) {
	fs.StringVar(&c.DataDir, "data-dir", c.DataDir, "directory of everything that Slipway keeps")
	fs.StringVar(&c.NodeName, "node-name", c.NodeName, "name of this machine in the cluster (default the host name)")
	fs.StringVar(&c.NodeIP, "node-ip", c.NodeIP, "address of this machine (default that of the interface with the default route)")
	fs.StringVar(&c.HTTPS, "https", c.HTTPS, "address of the front door")
	fs.StringVar(&c.HTTP, "http", c.HTTP, "address of the front door in plain HTTP; loopback only")
	fs.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "certificate file of the front door (default one of Slipway's own authority)")
	fs.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "key file of --tls-cert")
	fs.StringVar(&c.URL, "url", c.URL, "address that people reach the front door at")
	fs.IntVar(&c.APIServerPort, "apiserver-port", c.APIServerPort, "port of the Kubernetes API")
	fs.IntVar(&c.EtcdPort, "etcd-port", c.EtcdPort, "port of etcd on loopback")
	fs.Int64Var(&c.EtcdQuota, "etcd-quota", c.EtcdQuota, "bytes that the objects of the cluster may take on disk")
	fs.StringVar(&c.PodCIDR, "pod-cidr", c.PodCIDR, "range of pod addresses")
	fs.StringVar(&c.ServiceCIDR, "service-cidr", c.ServiceCIDR, "range of service addresses")
	fs.StringVar(&c.Seeds, "seeds", c.Seeds, "directory of base images to put into the registry at start (default seed beside the program, or ../share/slipway/seed, where there is one)")
	fs.Var(&c.Upstreams, "upstreams", "registries to pull through and where to ask for each, as docker.io=https://mirror.example")
	fs.BoolVar(&c.PrivateSources, "private-sources", c.PrivateSources, "allow repositories, charts and registries at private addresses")
	fs.BoolVar(&c.RemoteIncludes, "remote-includes", c.RemoteIncludes, "allow pipeline files to include files of other servers")
	fs.BoolVar(&c.RemoteBases, "remote-bases", c.RemoteBases, "allow kustomizations to name bases of other repositories, at a tag or a commit")
	fs.DurationVar(&c.ScrapeInterval, "scrape-interval", c.ScrapeInterval, "interval between two scrapes of a target")
	c.Metrics.flags(fs)
	c.Logs.flags(fs)
	c.Grafana.flags(fs)
	fs.StringVar(&c.Alerts.Config, "alerts-config", c.Alerts.Config, "file with receivers of alerts, in Alertmanager's form; alerts.config in the file")
	fs.Int64Var(&c.CacheLimit, "cache-limit", c.CacheLimit, "bytes that the caches of jobs may take together")
	fs.Int64Var(&c.JobLogLimit, "job-log-limit", c.JobLogLimit, "bytes that are kept of one job's log")
	fs.IntVar(&c.Runs.Max, "runs-max", c.Runs.Max, "runs at one time (0: no limit); runs.max in the file")
	fs.DurationVar(&c.Runs.ArchiveAfter, "runs-archive-after", c.Runs.ArchiveAfter, "how long runs that are over stay in Kubernetes before they go to the archive; runs.archiveAfter in the file")
	fs.IntVar(&c.Jobs.Max, "jobs-max", c.Jobs.Max, "jobs of all runs at one time (0: no limit); jobs.max in the file")
	fs.StringVar(&c.Jobs.Outside, "jobs-outside", c.Jobs.Outside, "what jobs may reach outside: public, private, ranges such as 192.0.2.0/24, several with commas between, or none; jobs.outside in the file")
	fs.BoolVar(&c.NetworkPolicies, "network-policies", c.NetworkPolicies, "enforce network policies")
	fs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	fs.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
	fs.BoolVar(&c.UpstreamDefaults, "upstream-defaults", c.UpstreamDefaults, "run kubelet and Tekton with upstream's settings (for comparison)")
	fs.BoolVar(&c.Profiling, "profiling", c.Profiling, "let administrators profile the server at /debug/pprof of the Kubernetes API")
}

func (c *Config) complete() error {
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return fmt.Errorf("dataDir %q: %w", c.DataDir, err)
	}
	// containerd's shims bind sockets below it, and a socket's path has 108 bytes.
	if len(dir) > 60 {
		return fmt.Errorf("dataDir %q: %d characters are too long for the sockets below it; use at most 60", dir, len(dir))
	}
	c.DataDir = dir
	if c.NodeName == "" {
		if c.NodeName, err = os.Hostname(); err != nil {
			return fmt.Errorf("nodeName: %w; set --node-name", err)
		}
		c.NodeName = strings.ToLower(c.NodeName)
	}
	if err := c.checkPorts(); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(c.HTTP) // it has been looked at
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("http %q: plain HTTP is served on loopback only; use --https for other addresses", c.HTTP)
	}
	if err := new(slog.Level).UnmarshalText([]byte(c.LogLevel)); err != nil {
		return fmt.Errorf("logLevel %q: want debug, info, warn or error", c.LogLevel)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return fmt.Errorf("logFormat %q: want text or json", c.LogFormat)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("tlsCert and tlsKey: give both or none")
	}
	for name, cidr := range map[string]string{"podCIDR": c.PodCIDR, "serviceCIDR": c.ServiceCIDR} {
		if p, err := netip.ParsePrefix(cidr); err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() > 24 {
			return fmt.Errorf("%s %q: want an IPv4 range of at least 256 addresses, such as 10.42.0.0/16", name, cidr)
		}
	}
	if c.NodeIP != "" && net.ParseIP(c.NodeIP) == nil {
		return fmt.Errorf("nodeIP %q: not an address", c.NodeIP)
	}
	if c.Seeds != "" {
		if _, err := os.Stat(filepath.Join(c.Seeds, "index.json")); err != nil {
			return fmt.Errorf("seeds %q: not an OCI layout of base images: %w; make one with `make build`, or leave the setting out", c.Seeds, err)
		}
	} else if self, err := os.Executable(); err == nil {
		c.Seeds = SeedsOf(self)
	}
	if err := c.Upstreams.check(); err != nil {
		return err
	}
	if c.ScrapeInterval < time.Second {
		return fmt.Errorf("scrapeInterval %s: at least 1s", c.ScrapeInterval)
	}
	if err := c.Metrics.check(); err != nil {
		return err
	}
	if err := c.Grafana.check(); err != nil {
		return err
	}
	if err := c.Logs.check(); err != nil {
		return err
	}
	if c.Alerts.Config, err = existing("alerts.config", c.Alerts.Config); err != nil {
		return err
	}
	if c.JobLogLimit < minJobLog || c.JobLogLimit > maxJobLog {
		return fmt.Errorf("jobLogLimit %d: from %d to %d bytes, as much as a node keeps of a container's log", c.JobLogLimit, minJobLog, maxJobLog)
	}
	if c.EtcdQuota < minEtcdQuota || c.EtcdQuota > maxEtcdQuota {
		return fmt.Errorf("etcdQuota %d: from %d to %d bytes", c.EtcdQuota, int64(minEtcdQuota), int64(maxEtcdQuota))
	}
	if c.Runs.Max < 0 || c.Jobs.Max < 0 {
		return fmt.Errorf("runs.max %d, jobs.max %d: at least 0, which is no limit", c.Runs.Max, c.Jobs.Max)
	}
	if c.Runs.ArchiveAfter < time.Second {
		return fmt.Errorf("runs.archiveAfter %s: at least 1s", c.Runs.ArchiveAfter)
	}
	if _, err := network.ParseOutside(c.Jobs.Outside); err != nil {
		return fmt.Errorf("jobs.outside %w", err)
	}
	if c.URL == "" {
		c.URL = "http://" + c.HTTP
	}
	c.URL = strings.TrimRight(c.URL, "/")
	return nil
}

// SeedsOf is the directory of base images that came with a program: seed beside it, as
// the build leaves them, or share/slipway/seed of where it is installed. Empty: none.
func SeedsOf(program string) string {
	for _, dir := range []string{"seed", "../share/slipway/seed"} {
		dir = filepath.Join(filepath.Dir(program), dir)
		if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
			return dir
		}
	}
	return ""
}
