package apply

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// FieldManager of everything that is applied.
const FieldManager = "slipway"

// AnnotationRecreate on an object allows it to be deleted and made anew when a
// change touches a field that cannot change. Jobs always have it, claims never.
const AnnotationRecreate = "slipway.dev/recreate"

// Target is whose set it is.
type Target struct {
	// Namespace of the tenant.
	Namespace   string
	Application string
	// Destination is where the set goes: the tenant's namespace if empty, else one that
	// belongs to it. Nothing outside of it may be touched.
	Destination string
	// Release number, written as the label slipway.dev/release of objects (not of pods,
	// so that an unchanged workload does not restart).
	Release int64
}

// Applier applies sets. It is safe for concurrent use.
type Applier struct {
	config    *rest.Config
	reader    client.Reader
	evaluator policy.Evaluator
	connect   func(namespace string) (client.Client, error)

	mu      sync.Mutex
	clients map[string]client.Client
}

// New makes an Applier. config is the server's; reader reads, uncached, with the
// server's identity (namespaces and live objects). The mapper must learn new kinds.
func New(config *rest.Config, reader client.Reader, mapper meta.RESTMapper) (*Applier, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, fmt.Errorf("pod security policy: %w", err)
	}
	a := &Applier{config: config, reader: reader, evaluator: evaluator, clients: map[string]client.Client{}}
	a.connect = func(namespace string) (client.Client, error) {
		c := rest.CopyConfig(config)
		c.Impersonate = rest.ImpersonationConfig{
			UserName: "system:serviceaccount:" + namespace + ":" + v1alpha1.DeployerServiceAccount,
		}
		c.QPS, c.Burst = 200, 400
		return client.New(c, client.Options{Mapper: mapper})
	}
	return a, nil
}

// deployer is the client that acts as the namespace's deployer.
func (a *Applier) deployer(namespace string) (client.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.clients[namespace]; ok {
		return c, nil
	}
	c, err := a.connect(namespace)
	if err != nil {
		return nil, fmt.Errorf("client of %s/%s: %w", namespace, v1alpha1.DeployerServiceAccount, err)
	}
	a.clients[namespace] = c
	return c, nil
}

func (a *Applier) manager(namespace string) (*ssa.ResourceManager, error) {
	c, err := a.deployer(namespace)
	if err != nil {
		return nil, err
	}
	m := ssa.NewResourceManager(c, nil, ssa.Owner{Field: FieldManager, Group: "slipway.dev"})
	m.SetConcurrency(4)
	return m, nil
}

// Apply writes the objects in the order of kinds (configuration before workloads);
// those that are as they should be are not touched. Call Check first.
func (a *Applier) Apply(ctx context.Context, t Target, objects []*unstructured.Unstructured) error {
	if err := a.mayWrite(ctx, t); err != nil {
		return err
	}
	m, err := a.manager(t.where())
	if err != nil {
		return err
	}
	options := ssa.DefaultApplyOptions()
	options.ForceSelector = map[string]string{AnnotationRecreate: "true"}
	if _, err := m.ApplyAll(ctx, label(t, objects), options); err != nil {
		return conceal(objects, explain(err))
	}
	return nil
}

// label returns copies that carry the release's number.
func label(t Target, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, len(objects))
	for i, o := range objects {
		o = o.DeepCopy()
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[v1alpha1.LabelApplication] = t.Application
		if t.Release > 0 {
			labels[v1alpha1.LabelRelease] = t.Application + "-" + strconv.FormatInt(t.Release, 10)
		}
		o.SetLabels(labels)
		annotations := o.GetAnnotations()
		switch {
		case o.GetKind() == "Job" && strings.HasPrefix(o.GetAPIVersion(), "batch/"):
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[AnnotationRecreate] = "true"
			o.SetAnnotations(annotations)
		case keeps(o.GroupVersionKind().Group, o.GetKind()):
			delete(annotations, AnnotationRecreate)
			o.SetAnnotations(annotations)
		}
		out[i] = o
	}
	return out
}

// Inventory names the objects of a set.
func Inventory(objects []*unstructured.Unstructured) []v1alpha1.ObjectReference {
	refs := make([]v1alpha1.ObjectReference, len(objects))
	for i, o := range objects {
		gvk := o.GroupVersionKind()
		refs[i] = v1alpha1.ObjectReference{
			Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName(),
		}
	}
	return refs
}

// Union of two inventories, without their health.
func Union(a, b []v1alpha1.ObjectReference) []v1alpha1.ObjectReference {
	seen := map[v1alpha1.ObjectReference]bool{}
	var out []v1alpha1.ObjectReference
	for _, list := range [][]v1alpha1.ObjectReference{a, b} {
		for _, r := range list {
			if id := identity(r); !seen[id] {
				seen[id] = true
				r.Health, r.Message = "", ""
				out = append(out, r)
			}
		}
	}
	return out
}

// Minus are the references of a that b does not have.
func Minus(a, b []v1alpha1.ObjectReference) []v1alpha1.ObjectReference {
	has := map[v1alpha1.ObjectReference]bool{}
	for _, r := range b {
		has[identity(r)] = true
	}
	var out []v1alpha1.ObjectReference
	for _, r := range a {
		if !has[identity(r)] {
			out = append(out, r)
		}
	}
	return out
}

// identity leaves out the version: one object has one name in all of them.
func identity(r v1alpha1.ObjectReference) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}

func object(r v1alpha1.ObjectReference) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(r.Version)
	if r.Group != "" {
		o.SetAPIVersion(r.Group + "/" + r.Version)
	}
	o.SetKind(r.Kind)
	o.SetNamespace(r.Namespace)
	o.SetName(r.Name)
	return o
}
