// Package addons owns the objects that every Slipway cluster has: system namespace,
// roles, cluster DNS, default StorageClass, and what a tenant's namespace starts with.
// They are typed objects in Go, applied server-side, so that a newer binary brings
// newer ones. It never touches what users made, and never removes anything.
//
// Start at Install; EnsureTenant prepares a tenant's namespace.
package addons

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/authz"
	kube "slipway.dev/cluster/client"
)

// Options of what is installed.
type Options struct {
	// DNSImage is the reference of the CoreDNS image. Empty: no cluster DNS.
	DNSImage string
	// DNSIP is the service address of cluster DNS. Default 10.43.0.10.
	DNSIP string
	// ResolvConf is the host's resolver configuration; names outside the cluster go to
	// its servers. Default /etc/resolv.conf.
	ResolvConf string
}

// Install applies everything. c must be an administrator's client: it gives rights.
func Install(ctx context.Context, c client.Client, o Options) error {
	if o.DNSIP == "" {
		o.DNSIP = "10.43.0.10"
	}
	if o.ResolvConf == "" {
		o.ResolvConf = "/etc/resolv.conf"
	}
	first := []client.Object{namespace(v1alpha1.SystemNamespace, nil), storageClass(), authz.KubeletAudienceRole()}
	for _, r := range authz.ClusterRoles() {
		first = append(first, r)
	}
	for _, b := range authz.ClusterRoleBindings() {
		first = append(first, b)
	}
	first = append(first, policies()...)
	if o.DNSImage != "" {
		first = append(first, dns(o)...)
	}
	if err := apply(ctx, c, first...); err != nil {
		return fmt.Errorf("addons: %w", err)
	}
	return nil
}

// apply applies objects that do not depend on one another, several at a time.
func apply(ctx context.Context, c client.Client, objects ...client.Object) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, o := range objects {
		group.Go(func() error { return kube.Apply(ctx, c, o) })
	}
	return group.Wait()
}

func namespace(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}
