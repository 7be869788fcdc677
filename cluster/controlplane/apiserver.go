package controlplane

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/server/egressselector"
	"k8s.io/client-go/tools/cache"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/cluster/etcd"
	"slipway.dev/cluster/inprocess"
)

// ServiceAccountIssuer is the issuer, and the default audience, of service account tokens.
const ServiceAccountIssuer = "https://kubernetes.default.svc.cluster.local"

// authenticationYAML lets nobody in without credentials except to the health paths.
const authenticationYAML = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
`

// admissionYAML enforces baseline and warns of what restricted would refuse, except
// where the cluster's own parts run.
const admissionYAML = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults:
      enforce: baseline
      enforce-version: latest
      warn: restricted
      warn-version: latest
    exemptions:
      namespaces: [kube-system, slipway-system]
`

func apiserverFlags(c Config) []string {
	p := c.PKI
	file := func(name string) string { return filepath.Join(p.Dir, name) }
	flags := []string{
		// Without TLS, as the way there does not leave the process.
		"--etcd-servers=http://" + etcd.URL(c.EtcdPort).Host,
		"--encryption-provider-config=" + file("encryption.yaml"),
		"--bind-address=0.0.0.0",
		fmt.Sprintf("--secure-port=%d", c.APIPort),
		"--advertise-address=" + c.NodeIP.String(),
		"--endpoint-reconciler-type=lease",
		"--tls-cert-file=" + p.APIServer.Cert,
		"--tls-private-key-file=" + p.APIServer.Key,
		"--tls-min-version=VersionTLS12",
		"--client-ca-file=" + p.CA,
		"--authentication-config=" + file("authentication.yaml"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs",
		"--admission-control-config-file=" + file("admission.yaml"),
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + c.ServiceCIDR,
		"--service-node-port-range=" + c.NodePortRange,
		"--service-account-issuer=" + ServiceAccountIssuer,
		"--service-account-key-file=" + p.ServiceAccountPub,
		"--service-account-signing-key-file=" + p.ServiceAccountKey,
		"--kubelet-certificate-authority=" + p.CA,
		"--kubelet-client-certificate=" + p.APIServerKubeletClient.Cert,
		"--kubelet-client-key=" + p.APIServerKubeletClient.Key,
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + p.FrontProxyCA,
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + p.FrontProxyClient.Cert,
		"--proxy-client-key-file=" + p.FrontProxyClient.Key,
		fmt.Sprintf("--profiling=%t", c.Profiling),
		"--event-ttl=3h",
		// Watches end when the server stops; else it waits for them until partStop, and etcd
		// as long for what is still connected to it.
		"--shutdown-watch-termination-grace-period=2s",
	}
	flags = append(flags, auditFlags(c)...)
	if g := c.gates(); g != "" {
		flags = append(flags, "--feature-gates="+g)
	}
	return flags
}

// prepareAPIServer writes its configuration files and completes its options. It sets
// the feature gates of the process, so it comes before every other component.
func prepareAPIServer(ctx context.Context, c Config, near *etcd.Near) (options.CompletedOptions, error) {
	none := options.CompletedOptions{}
	for name, text := range map[string]string{"authentication.yaml": authenticationYAML, "admission.yaml": admissionYAML, "audit.yaml": auditYAML} {
		if err := atomicfile.Write(filepath.Join(c.PKI.Dir, name), []byte(text), 0o600); err != nil {
			return none, err
		}
	}
	o := options.NewServerRunOptions()
	if err := parse("kube-apiserver", o.Flags(), apiserverFlags(c)); err != nil {
		return none, err
	}
	o.Etcd.StorageConfig.Transport.EgressLookup = func(egressselector.NetworkContext) (utilnet.DialFunc, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) { return near.Dial(ctx) }, nil
	}
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return none, fmt.Errorf("feature gates: %w", err)
	}
	completed, err := o.Complete(ctx)
	if err != nil {
		return none, fmt.Errorf("kube-apiserver: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return none, fmt.Errorf("kube-apiserver: %w", utilerrors.NewAggregate(errs))
	}
	return completed, nil
}

// runAPIServer is app.Run, but that what is in this process calls it without a network, and
// that it refuses nobody before it has read its roles.
func runAPIServer(o options.CompletedOptions, local *inprocess.Server) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		if o.InformerName == nil {
			if o.InformerName, err = cache.NewInformerName("kube-apiserver"); err != nil {
				return err
			}
		}
		config, err := app.NewConfig(o)
		if err != nil {
			return err
		}
		who := &config.Aggregator.GenericConfig.Authentication.Authenticator
		*who = &remembered{Request: *who}
		patiently(config)
		completed, err := config.Complete()
		if err != nil {
			return err
		}
		server, err := app.CreateServerChain(completed)
		if err != nil {
			return err
		}
		prepared, err := server.PrepareRun()
		if err != nil {
			return err
		}
		local.Serve(ctx, server.GenericAPIServer.Handler)
		return prepared.Run(ctx)
	}
}

// parse gives a component its flags as a command line would.
func parse(component string, sets cliflag.NamedFlagSets, flags []string) error {
	fs := pflag.NewFlagSet(component, pflag.ContinueOnError)
	fs.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, set := range sets.FlagSets {
		fs.AddFlagSet(set)
	}
	if err := fs.Parse(flags); err != nil {
		return fmt.Errorf("%s: flags %s: %w", component, strings.Join(flags, " "), err)
	}
	return nil
}
