package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/atomicfile"
	"slipway.dev/cluster/authz"
	"slipway.dev/cluster/controlplane"
	"slipway.dev/cluster/node"
	"slipway.dev/cluster/supervise"
	"slipway.dev/observability/alerts"
	"slipway.dev/observability/elastic/remote"
	"slipway.dev/observability/logs"
	"slipway.dev/observability/metrics"
	"slipway.dev/observability/observe"
	"slipway.dev/observability/stack"
	"slipway.dev/server/api"
	"slipway.dev/server/config"
)

func (s *services) openObserve(ctx context.Context) (err error) {
	file := filepath.Join(s.conf.DataDir, "run", "observe.token")
	err = s.access.tokenFile(ctx, file, authz.Token{
		User: "slipway:observe", Groups: []string{authz.AdminGroup}, Role: authz.RoleViewer, Description: "the observe child reads /metrics",
	})
	if err != nil {
		return err
	}
	s.observe, err = observeChild(ctx, s.conf, s.cluster, s.cluster.own, file)
	s.state.ask(children(s.cluster.own.State))
	s.state.ask(func(ctx context.Context) []api.Component { return outputStates(ctx, s.observe.Outputs) })
	if s.conf.Metrics.PrometheusURL != "" {
		s.state.ask(func(ctx context.Context) []api.Component { return elsewhereState(ctx, s.observe.Elsewhere) })
	}
	return err
}

// checkObserved reads the files that the child is given, before anything is started: with a
// wrong one the child would only end and be started again.
func checkObserved(conf config.Config, log *slog.Logger) error {
	_, err := alerts.Load(conf.Alerts.Config)
	_, more := metrics.RemoteWrites(conf.Metrics.RemoteWrite, log)
	return errors.Join(err, more, theirPrometheus(conf).Check(), logs.Input{KeysFile: conf.Logs.ForwardKeys}.CheckKeys())
}

func theirPrometheus(conf config.Config) metrics.Elsewhere {
	return metrics.Elsewhere{URL: conf.Metrics.PrometheusURL, CredentialsFile: conf.Metrics.PrometheusCredentials, CAFile: conf.Metrics.PrometheusCA}
}

// observeChild starts the child with both stores and returns its client.
// tokenFile holds a token that may read /metrics.
func observeChild(ctx context.Context, conf config.Config, c *cluster, sup *supervise.Supervisor, tokenFile string) (*observe.Client, error) {
	run := filepath.Join(conf.DataDir, "run")
	oc := observe.Config{
		DataDir: conf.DataDir, MetricsDir: filepath.Join(conf.DataDir, "metrics"), LogsDir: filepath.Join(conf.DataDir, "logstore"),
		Socket: filepath.Join(run, "observe.sock"), Forward: filepath.Join(run, "forward.sock"),
		Metrics: metrics.Options{
			Targets: metrics.Targets{
				Interval: conf.ScrapeInterval, Kubeconfig: c.pki.SlipwayKubeconfig,
				CAFile: c.pki.CA, CertFile: c.pki.APIServerKubeletClient.Cert, KeyFile: c.pki.APIServerKubeletClient.Key,
				Server: conf.HTTP, TokenFile: tokenFile,
				Self: filepath.Join(run, "observe.sock"), Node: conf.NodeName, Buildkit: c.node.BuildkitDebugSocket(),
				KubeProxy: node.KubeProxyMetrics, Containerd: node.ContainerdMetrics,
			},
			Retention: conf.Metrics.Retention, MaxBytes: conf.Metrics.MaxBytes, ReceiveWrites: conf.Metrics.ReceiveWrites,
		},
	}
	api, err := nth(conf.ServiceCIDR, 1)
	if err != nil {
		return nil, err
	}
	oc.Metrics.Targets.Machines, oc.Metrics.MaxSeries = []string{api, c.nodeIP}, conf.Metrics.MaxSeries
	oc.Metrics.Elsewhere = theirPrometheus(conf)
	oc.Logs = elsewhere(conf, c)
	oc.Metrics.URL, oc.Metrics.RemoteWrite = conf.URL, conf.Metrics.RemoteWrite
	oc.Alerts = alerts.Options{Dir: filepath.Join(conf.DataDir, "alerts"), Config: conf.Alerts.Config, URL: conf.URL}
	b, err := json.Marshal(oc)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(run, "observe.json")
	if err := atomicfile.Write(file, b, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	oclient := observe.NewClient(oc.Socket, oc.Forward)
	return oclient, sup.Launch(supervise.Child{
		Name: "observe", Path: self, Args: []string{"observe", "--config", file}, Config: []string{file},
		Env: []string{"GOMEMLIMIT=1GiB"}, Ready: oclient.Ready,
	})
}

// elsewhere is where lines come from and go to besides this node and the store.
func elsewhere(conf config.Config, c *cluster) observe.Logs {
	l := observe.Logs{
		Input: logs.Input{Address: conf.Logs.Forward, KeysFile: conf.Logs.ForwardKeys, Namespace: tenant},
		Fluent: logs.Fluent{
			Address: conf.Logs.Fluent, CAFile: conf.Logs.FluentCA, ServerName: conf.Logs.FluentServerName, KeyFile: conf.Logs.FluentKey, IDField: stack.IDField,
		},
		Elasticsearch: remote.Remote{
			URL: conf.Logs.Elasticsearch, CAFile: conf.Logs.ElasticsearchCA, ServerName: conf.Logs.ElasticsearchServerName,
			CredentialsFile: conf.Logs.ElasticsearchCredentials, Retention: logs.Retention,
		},
		Buffer: conf.Logs.Buffer,
	}
	if conf.Logs.ForwardKeys != "" {
		l.Input.CertFile, l.Input.KeyFile = c.pki.Front.Cert, c.pki.Front.Key
		if conf.TLSCert != "" {
			l.Input.CertFile, l.Input.KeyFile = conf.TLSCert, conf.TLSKey
		}
	}
	return l
}

// collector sends the lines of this node's pods, of its own programs and of the
// apiserver's audit log to the child.
func collector(conf config.Config, objects client.Reader, oclient *observe.Client, log *slog.Logger) *logs.Collector {
	dir := filepath.Join(conf.DataDir, "logs")
	// What is the node's is no tenant's.
	of := func(index, container string) map[string]string {
		return map[string]string{
			"namespace": metav1.NamespaceSystem, logs.IndexField: index + metav1.NamespaceSystem, "node": conf.NodeName, "container": container,
		}
	}
	return &logs.Collector{
		Dir: filepath.Join(dir, "pods"), Positions: filepath.Join(dir, "positions.json"),
		Sender: oclient.Sender(), Log: log.With("part", "collector"),
		Sources: []logs.Source{
			{Pattern: filepath.Join(dir, "*.log"), Fields: of("logs-slipway-", "")},
			{Pattern: controlplane.AuditLog(conf.DataDir), Audit: true, Fields: of("logs-audit-", "apiserver")},
		},
		Labels: func(namespace, name string) map[string]string {
			return podFields(context.Background(), objects, namespace, name)
		},
	}
}

// maxLabels is how many labels of a pod its lines carry, in the order of their names; a
// field of theirs names the others.
const maxLabels = 32

// podFields is what a pod's lines carry besides: where it ran, its labels, and which
// application, release, run, job and commit it belongs to.
func podFields(ctx context.Context, objects client.Reader, namespace, name string) map[string]string {
	var pod corev1.Pod
	if objects.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &pod) != nil {
		return nil
	}
	fields := map[string]string{"node": pod.Spec.NodeName}
	kept, leftOut := 0, []string(nil)
	for _, label := range slices.Sorted(maps.Keys(pod.Labels)) {
		if kept >= maxLabels || len(label) >= 120 {
			leftOut = append(leftOut, label)
			continue
		}
		fields["labels."+label] = pod.Labels[label]
		kept++
	}
	if leftOut != nil {
		fields[logs.LeftOut] = fmt.Sprintf("%.500s", strings.Join(leftOut, " "))
	}
	for field, label := range map[string]string{
		"application": slipway.LabelApplication, "release": slipway.LabelRelease, "run": slipway.LabelRun, "job": slipway.LabelJob,
	} {
		fields[field] = pod.Labels[label]
	}
	if name := fields["run"]; name != "" {
		var run slipway.Run
		if objects.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &run) == nil {
			fields["commit"] = run.Spec.Commit
		}
	} else if name := fields["application"]; name != "" {
		releaseFields(ctx, objects, client.ObjectKey{Namespace: namespace, Name: name}, fields)
	}
	maps.DeleteFunc(fields, func(_, v string) bool { return v == "" })
	return fields
}

// releaseFields are of the release whose objects are applied now: a pod is found as it
// begins, while what made it is that.
func releaseFields(ctx context.Context, objects client.Reader, key client.ObjectKey, fields map[string]string) {
	var app slipway.Application
	if objects.Get(ctx, key, &app) != nil || app.Status.Current == 0 {
		return
	}
	if fields["release"] == "" {
		fields["release"] = fmt.Sprintf("%s-%d", app.Name, app.Status.Current)
	}
	var release slipway.Release
	if objects.Get(ctx, client.ObjectKey{Namespace: app.Namespace, Name: fields["release"]}, &release) == nil {
		fields["commit"] = release.Spec.Desired.Commit
	}
}
