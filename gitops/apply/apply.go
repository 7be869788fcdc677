package apply

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/health"
)

// FieldManager of everything that is applied.
const FieldManager = "slipway"

// AnnotationRecreate on an object allows it to be deleted and made anew when a
// change touches a field that cannot change. Jobs always have it, claims never.
const AnnotationRecreate = "slipway.dev/recreate"

// Target is whose set it is, where it goes and how.
type Target struct {
	// Namespace of the tenant: the Application's own.
	Namespace   string
	Application string
	// Release number, written as the label slipway.dev/release of the objects that it
	// changes (not of pods, so that an unchanged workload does not restart).
	Release int64
	// Destination is where the set goes: the tenant's namespace if empty. In one that
	// belongs to the tenant its own deployer writes, and beyond that nothing is touched
	// unless a role allows it.
	Destination string
	// Account of the tenant's namespace that applies instead of the deployer.
	Account string
	// Cluster other than this one.
	Cluster *v1alpha1.ClusterReference
	Options v1alpha1.SyncOptions
	Ignore  []v1alpha1.IgnoreDifference
	Checks  []v1alpha1.HealthCheck
	// Known objects are the application's, whatever their labels say by now.
	Known []v1alpha1.ObjectReference
	// Set is all that stays, where only a part of it is given: configuration that pods
	// use may be in another part.
	Set []*unstructured.Unstructured
	// Seal makes a fingerprint of data that says nothing about it. It is needed for
	// RestartOnConfigChange only.
	Seal func([]byte) string
}

// Applier applies sets. It is safe for concurrent use.
type Applier struct {
	config    *rest.Config
	reader    client.Reader
	mapper    meta.RESTMapper
	evaluator policy.Evaluator
	dial      Dial
	connect   func(namespace, account string) (client.Client, error)
	may       func(ctx context.Context, c client.Client, what authorizationv1.ResourceAttributes) (bool, error)

	mu       sync.Mutex
	places   map[string]*place
	versions map[string]string
	checks   map[string]*health.Checks
}

// New makes an Applier. config is the server's; reader reads, uncached, with the
// server's identity (namespaces and live objects). The mapper must learn new kinds.
// dial reaches other clusters; nil reaches none.
func New(config *rest.Config, reader client.Reader, mapper meta.RESTMapper, dial Dial) (*Applier, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, fmt.Errorf("pod security policy: %w", err)
	}
	a := &Applier{
		config: config, reader: reader, mapper: mapper, evaluator: evaluator, dial: dial, may: may,
		places: map[string]*place{}, versions: map[string]string{}, checks: map[string]*health.Checks{},
	}
	a.connect = func(namespace, account string) (client.Client, error) {
		c := rest.CopyConfig(config)
		c.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + account}
		c.QPS, c.Burst = clientQPS, clientBurst
		return client.New(c, client.Options{Mapper: mapper})
	}
	return a, nil
}

// Waiting is an error of the moment that passes by itself: something has to be gone or
// there first.
type Waiting struct{ Message string }

// Error is the message.
func (w *Waiting) Error() string { return w.Message }

// Apply writes the objects in the order of kinds (configuration before workloads) and
// returns them with what is owned of each and how it is now; those that are as they should
// be are not changed by it, and those of which Check has just seen that are not asked about
// again. Call Check first.
func (a *Applier) Apply(ctx context.Context, t Target, objects []*unstructured.Unstructured) ([]v1alpha1.ObjectReference, error) {
	p, err := a.place(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := a.ensureNamespace(ctx, p, t, objects); err != nil {
		return nil, err
	}
	desired, _, err := a.desired(ctx, p, t, objects)
	if err != nil {
		return nil, err
	}
	checks, err := a.compiled(t)
	if err != nil {
		return nil, refuse("%s", err)
	}
	order := make([]int, len(desired))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return byKind(desired[i], desired[j]) })
	refs, seen := make([]v1alpha1.ObjectReference, len(desired)), seenOf(ctx)
	// One kind after the other, and of one kind several at once.
	for len(order) > 0 {
		n := 1
		for n < len(order) && desired[order[n]].GroupVersionKind() == desired[order[0]].GroupVersionKind() {
			n++
		}
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(concurrency)
		for _, i := range order[:n] {
			g.Go(func() error {
				written, err := seen.same(desired[i]), error(nil)
				if written == nil {
					written, err = a.write(gctx, p, t, desired[i])
					seen.note(written, false)
				}
				if err == nil {
					refs[i] = reference(objects[i])
					refs[i].Owned, refs[i].Applied = owned(written), t.digest(desired[i])
					refs[i].Health, refs[i].Message = healthOf(checks, written)
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return nil, conceal(objects, a.named(ctx, p, t, explain(err)))
		}
		order = order[n:]
	}
	return refs, nil
}

// concurrency of requests for one set.
const concurrency = 4

// desired are the objects as they are to be written, and what configuration outside the
// set their pods use.
func (a *Applier) desired(ctx context.Context, p *place, t Target, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, []v1alpha1.ConfigReference, error) {
	out := label(t, objects)
	for _, o := range out {
		if o.GetNamespace() == "" {
			continue
		}
		// Rendering gives every kind that it does not know a namespace.
		gvk := o.GroupVersionKind()
		mapping, err := p.client.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
		if err == nil && mapping.Scope.Name() != meta.RESTScopeNameNamespace {
			o.SetNamespace("")
			setLabel(o, v1alpha1.LabelApplicationNamespace, t.Namespace)
		}
	}
	if !t.Options.RestartOnConfigChange || t.Seal == nil {
		return out, nil, nil
	}
	references, err := a.checksums(ctx, p, t, out)
	return out, references, err
}

// label returns copies that carry the release's number.
func label(t Target, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, len(objects))
	for i, o := range objects {
		o = o.DeepCopy()
		setLabel(o, v1alpha1.LabelApplication, t.Application)
		if t.Release > 0 {
			setLabel(o, v1alpha1.LabelRelease, t.release())
		}
		if t.away(o.GetNamespace()) {
			setLabel(o, v1alpha1.LabelApplicationNamespace, t.Namespace)
		}
		annotations := o.GetAnnotations()
		switch {
		case keeps(o.GroupVersionKind().Group, o.GetKind()):
			delete(annotations, AnnotationRecreate)
			o.SetAnnotations(annotations)
		case recreates(o, t):
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[AnnotationRecreate] = "true"
			o.SetAnnotations(annotations)
		}
		out[i] = o
	}
	return out
}

func setLabel(o *unstructured.Unstructured, key, value string) {
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[key] = value
	o.SetLabels(labels)
}

// release is the name of the release.
func (t Target) release() string { return t.Application + "-" + strconv.FormatInt(t.Release, 10) }

// away says whether an object is not beside its Application.
func (t Target) away(namespace string) bool {
	return t.Cluster != nil || namespace != t.Namespace
}

// recreates says whether an object may be deleted and made anew when a change touches
// a field that cannot change.
func recreates(o *unstructured.Unstructured, t Target) bool {
	job := o.GetKind() == "Job" && strings.HasPrefix(o.GetAPIVersion(), "batch/")
	return job || option(o, "Force", t.Options.Force)
}

// Inventory names the objects of a set.
func Inventory(objects []*unstructured.Unstructured) []v1alpha1.ObjectReference {
	refs := make([]v1alpha1.ObjectReference, len(objects))
	for i, o := range objects {
		refs[i] = reference(o)
	}
	return refs
}

// Record writes down what was applied: entries of the same objects are replaced.
func Record(inventory, written []v1alpha1.ObjectReference) []v1alpha1.ObjectReference {
	return append(Minus(inventory, written), written...)
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

// Same says whether two references are of one object.
func Same(a, b v1alpha1.ObjectReference) bool { return identity(a) == identity(b) }

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
