package controlplane

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

const (
	// patience is how long a refusal waits at most for what it rests on to be read.
	patience = 10 * time.Second
	lookEach = 10 * time.Millisecond
)

// patient authorises as another does, but refuses nobody before the roles, and what the nodes
// have to do with, were read: the port is open a moment earlier. Who is refused then believes
// it, and a kubelet comes back to the Secret of a pod after up to a minute.
type patient struct {
	authorizer.Authorizer
	read  func() bool
	ready atomic.Bool
}

// patiently has the API server be that, wherever it asks.
func patiently(config *app.Config) {
	p := &patient{Authorizer: config.KubeAPIs.ControlPlane.Generic.Authorization.Authorizer, read: readBy(config.KubeAPIs.ControlPlane.VersionedInformers)}
	config.KubeAPIs.ControlPlane.Generic.Authorization.Authorizer = p
	config.Aggregator.GenericConfig.Authorization.Authorizer = p
}

// readBy says whether the authorisers have read what they decide by. They hear of pods in a
// queue of their own, which is as long as ours.
func readBy(f informers.SharedInformerFactory) func() bool {
	all := []cache.InformerSynced{
		f.Rbac().V1().Roles().Informer().HasSynced, f.Rbac().V1().RoleBindings().Informer().HasSynced,
		f.Rbac().V1().ClusterRoles().Informer().HasSynced, f.Rbac().V1().ClusterRoleBindings().Informer().HasSynced,
	}
	for _, informer := range []cache.SharedIndexInformer{
		f.Core().V1().Pods().Informer(), f.Core().V1().PersistentVolumes().Informer(), f.Storage().V1().VolumeAttachments().Informer(),
	} {
		all = append(all, informer.HasSynced)
		if ours, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{}); err == nil {
			all = append(all, ours.HasSynced)
		}
	}
	return func() bool {
		for _, synced := range all {
			if !synced() {
				return false
			}
		}
		return true
	}
}

// Authorize satisfies authorizer.Authorizer.
func (p *patient) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	knew := p.ready.Load()
	decision, reason, err := p.Authorizer.Authorize(ctx, a)
	if knew || decision == authorizer.DecisionAllow || !p.wait(ctx) {
		return decision, reason, err
	}
	return p.Authorizer.Authorize(ctx, a)
}

// ConditionsAwareAuthorize satisfies authorizer.Authorizer.
func (p *patient) ConditionsAwareAuthorize(ctx context.Context, a authorizer.Attributes) authorizer.ConditionsAwareDecision {
	knew := p.ready.Load()
	decision := p.Authorizer.ConditionsAwareAuthorize(ctx, a)
	if knew || decision.IsAllow() || !p.wait(ctx) {
		return decision
	}
	return p.Authorizer.ConditionsAwareAuthorize(ctx, a)
}

// wait until everything was read. It gives up when the caller does, and after a while.
func (p *patient) wait(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := time.NewTicker(lookEach)
	defer t.Stop()
	for !p.ready.Load() {
		if p.read() {
			p.ready.Store(true)
			break
		}
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
	return true
}
