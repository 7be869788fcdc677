package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/health"
)

// Node is an object of an application, or one that came of such an object.
type Node struct {
	v1alpha1.ObjectReference `json:",inline"`
	// ID names the node within its tree; Parent is that of the object it came of, empty
	// for those of the set.
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	// Hook is one of a release, which is not part of the set.
	Hook bool `json:"hook,omitempty"`
	// Drifted: others changed what Slipway manages, or deleted it.
	Drifted bool         `json:"drifted,omitempty"`
	Created *metav1.Time `json:"created,omitempty"`
	// Info is how far it is: "1/2 ready, 3 restarts".
	Info string `json:"info,omitempty"`
	// Containers of a pod.
	Containers []string `json:"containers,omitempty"`
}

const (
	// maxChildren of one kind in one namespace are looked at.
	maxChildren = 2000
	// treeReads are requests for one tree at once.
	treeReads = 8
	// fewRoots of one kind in one namespace are read one by one, more by a list.
	fewRoots = 4
)

// heirs are the kinds of objects that come of one kind of object, in one step or more.
var heirs = map[schema.GroupKind][]schema.GroupVersionKind{
	{Group: "apps", Kind: "Deployment"}:        {replicaSets, pods},
	{Group: "apps", Kind: "ReplicaSet"}:        {pods},
	{Group: "apps", Kind: "StatefulSet"}:       {pods, claims},
	{Group: "apps", Kind: "DaemonSet"}:         {pods},
	{Kind: "ReplicationController"}:            {pods},
	{Group: "batch", Kind: "CronJob"}:          {jobs, pods},
	{Group: "batch", Kind: "Job"}:              {pods},
	{Kind: "Service"}:                          {endpointSlices},
	{Kind: "Pod"}:                              nil,
	{Kind: "ConfigMap"}:                        nil,
	{Kind: "Secret"}:                           nil,
	{Kind: "ServiceAccount"}:                   nil,
	{Kind: "PersistentVolumeClaim"}:            nil,
	{Kind: "Namespace"}:                        nil,
	{Group: "autoscaling", Kind: hpa}:          nil,
	{Group: "policy", Kind: pdb}:               nil,
	{Group: networking, Kind: "Ingress"}:       nil,
	{Group: networking, Kind: "NetworkPolicy"}: nil,
	{Group: rbac, Kind: "Role"}:                nil,
	{Group: rbac, Kind: "RoleBinding"}:         nil,
}

const (
	hpa        = "HorizontalPodAutoscaler"
	pdb        = "PodDisruptionBudget"
	networking = "networking.k8s.io"
	rbac       = "rbac.authorization.k8s.io"
)

var (
	replicaSets    = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}
	pods           = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	jobs           = schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}
	claims         = schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}
	endpointSlices = schema.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"}

	// anything may come of a kind that we do not know.
	anything = []schema.GroupVersionKind{
		{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "apps", Version: "v1", Kind: "StatefulSet"}, {Group: "apps", Version: "v1", Kind: "DaemonSet"},
		replicaSets, {Group: "batch", Version: "v1", Kind: "CronJob"}, jobs, {Version: "v1", Kind: "Service"}, claims, endpointSlices, pods,
	}
)

// Tree is the objects of an application as they are now, each followed by what came of it,
// by owner. What is not labelled as the application's is found below kinds that
// are none of the built-in ones.
func (a *Applier) Tree(ctx context.Context, t Target, set, hooks []v1alpha1.ObjectReference) ([]Node, error) {
	p, err := a.place(ctx, t)
	if err != nil {
		return nil, err
	}
	checks, err := a.compiled(t)
	if err != nil {
		return nil, refuse("%s", err)
	}
	roots := make([]Node, 0, len(set)+len(hooks))
	for _, ref := range set {
		roots = append(roots, Node{ObjectReference: ref})
	}
	for _, ref := range hooks {
		roots = append(roots, Node{ObjectReference: ref, Hook: true})
	}
	found, err := findAll(ctx, p.reader, t, append(slices.Clone(set), hooks...))
	if err != nil {
		return nil, err
	}
	b := &branches{checks: checks, children: map[string][]*unstructured.Unstructured{}, seen: map[string]bool{}}
	want := map[descent]bool{}
	for i, live := range found {
		root := &roots[i]
		was := root.Owned
		root.Owned = ""
		if live == nil {
			root.ID = strings.Join([]string{root.Group, root.Kind, root.Namespace, root.Name}, "/")
			if !root.Hook && root.Health != health.Current {
				root.Health, root.Message = health.NotFound, "is gone"
			}
			continue
		}
		b.describe(root, live)
		root.Drifted = !root.Hook && root.Extra == "" && was != "" && was != unowned && live.GetDeletionTimestamp() == nil && owned(live) != was
		want = inherit(want, live)
	}
	if err := b.look(ctx, p, t, want); err != nil {
		return nil, err
	}
	var out []Node
	for i := range roots {
		out = append(out, roots[i])
		if found[i] != nil {
			out = b.below(out, roots[i].ID)
		}
	}
	return out, nil
}

// findAll reads the objects of references, in their order; nil for one that is not there.
func findAll(ctx context.Context, r client.Reader, t Target, refs []v1alpha1.ObjectReference) ([]*unstructured.Unstructured, error) {
	type group struct {
		namespace string
		kind      schema.GroupVersionKind
	}
	of := map[group][]int{}
	for i, ref := range refs {
		k := group{ref.Namespace, schema.GroupVersionKind{Group: ref.Group, Version: ref.Version, Kind: ref.Kind}}
		of[k] = append(of[k], i)
	}
	found := make([]*unstructured.Unstructured, len(refs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(treeReads)
	for k, mine := range of {
		g.Go(func() error {
			byName := map[string]*unstructured.Unstructured{}
			if len(mine) > fewRoots {
				l := &unstructured.UnstructuredList{}
				l.SetGroupVersionKind(k.kind.GroupVersion().WithKind(k.kind.Kind + "List"))
				err := r.List(ctx, l, client.InNamespace(k.namespace), client.Limit(maxChildren), client.MatchingLabels{v1alpha1.LabelApplication: t.Application})
				if err != nil && !apierrors.IsForbidden(err) && !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
					return fmt.Errorf("%s of namespace %s: %w", k.kind.Kind, k.namespace, err)
				}
				for i := range l.Items {
					byName[l.Items[i].GetName()] = &l.Items[i]
				}
			}
			for _, i := range mine {
				if found[i] = byName[refs[i].Name]; found[i] != nil {
					continue
				}
				// Few, or gone, or without our label by now.
				var err error
				if found[i], err = find(ctx, r, refs[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return found, g.Wait()
}

// descent is a kind of children in a namespace, of the application by label or all.
type descent struct {
	namespace string
	kind      schema.GroupVersionKind
	all       bool
}

func inherit(want map[descent]bool, root *unstructured.Unstructured) map[descent]bool {
	if root.GetNamespace() == "" {
		return want // of the whole cluster, and so may be what came of it
	}
	kinds, known := heirs[root.GroupVersionKind().GroupKind()]
	if !known {
		kinds = anything
	}
	for _, k := range kinds {
		want[descent{root.GetNamespace(), k, !known}] = true
	}
	return want
}

// branches of a tree.
type branches struct {
	checks   *health.Checks
	children map[string][]*unstructured.Unstructured // by the UID of an owner
	seen     map[string]bool
}

// look lists what may have come of the roots.
func (b *branches) look(ctx context.Context, p *place, t Target, want map[descent]bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(treeReads)
	lists := make(chan []unstructured.Unstructured, len(want))
	for d := range want {
		if !d.all && want[descent{d.namespace, d.kind, true}] {
			continue
		}
		g.Go(func() error {
			l := &unstructured.UnstructuredList{}
			l.SetGroupVersionKind(d.kind.GroupVersion().WithKind(d.kind.Kind + "List"))
			opts := []client.ListOption{client.InNamespace(d.namespace), client.Limit(maxChildren)}
			if !d.all {
				opts = append(opts, client.MatchingLabels{v1alpha1.LabelApplication: t.Application})
			}
			err := p.reader.List(ctx, l, opts...)
			if apierrors.IsForbidden(err) || meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
				return nil // elsewhere, credentials may not reach that far
			}
			if err != nil {
				return fmt.Errorf("%s of namespace %s: %w", d.kind.Kind, d.namespace, err)
			}
			lists <- l.Items
			return nil
		})
	}
	err := g.Wait()
	close(lists)
	for items := range lists {
		for i := range items {
			o := &items[i]
			if emptied(o) {
				continue
			}
			for _, owner := range o.GetOwnerReferences() {
				b.children[string(owner.UID)] = append(b.children[string(owner.UID)], o)
			}
		}
	}
	return err
}

// emptied is a ReplicaSet of an earlier revision: it is kept for going back, and has nothing.
func emptied(o *unstructured.Unstructured) bool {
	if o.GetKind() != "ReplicaSet" {
		return false
	}
	want, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	have, _, _ := unstructured.NestedInt64(o.Object, "status", "replicas")
	return want == 0 && have == 0
}

// below adds what came of a node, and of that.
func (b *branches) below(out []Node, id string) []Node {
	children := b.children[id]
	slices.SortFunc(children, func(x, y *unstructured.Unstructured) int {
		return strings.Compare(x.GetKind()+"/"+x.GetName(), y.GetKind()+"/"+y.GetName())
	})
	for _, o := range children {
		if b.seen[string(o.GetUID())] {
			continue // of two owners, or in the set itself
		}
		n := Node{ObjectReference: reference(o), Parent: id}
		b.describe(&n, o)
		out = b.below(append(out, n), n.ID)
	}
	return out
}

// describe fills in what a live object says.
func (b *branches) describe(n *Node, live *unstructured.Unstructured) {
	n.ID = string(live.GetUID())
	b.seen[n.ID] = true
	if n.Extra == "" || n.Health == "" {
		n.Health, n.Message = b.checks.Compute(live)
	}
	if n.Health == health.Current {
		n.Message = ""
	}
	if at := live.GetCreationTimestamp(); !at.IsZero() {
		n.Created = &at
	}
	n.Info, n.Containers = info(live)
}

// info of a live object in a few words, and the containers of a pod.
func info(o *unstructured.Unstructured) (text string, containers []string) {
	number := func(fields ...string) int64 {
		n, _, _ := unstructured.NestedInt64(o.Object, fields...)
		return n
	}
	switch o.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Kind: "Pod"}:
		return podInfo(o)
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}, schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return fmt.Sprintf("%d/%d ready", number("status", "readyReplicas"), number("spec", "replicas")), nil
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		return fmt.Sprintf("%d/%d ready", number("status", "numberReady"), number("status", "desiredNumberScheduled")), nil
	case schema.GroupKind{Group: "batch", Kind: "Job"}:
		return fmt.Sprintf("%d active, %d succeeded, %d failed", number("status", "active"), number("status", "succeeded"), number("status", "failed")), nil
	case schema.GroupKind{Group: "discovery.k8s.io", Kind: "EndpointSlice"}:
		ends, _, _ := unstructured.NestedSlice(o.Object, "endpoints")
		return fmt.Sprintf("%d endpoints", len(ends)), nil
	}
	return "", nil
}

func podInfo(o *unstructured.Unstructured) (text string, containers []string) {
	for _, field := range []string{"initContainers", "containers"} {
		list, _, _ := unstructured.NestedSlice(o.Object, "spec", field)
		for _, c := range list {
			if m, ok := c.(map[string]any); ok {
				name, _ := m["name"].(string)
				containers = append(containers, name)
			}
		}
	}
	statuses, _, _ := unstructured.NestedSlice(o.Object, "status", "containerStatuses")
	ready, restarts := 0, int64(0)
	for _, s := range statuses {
		m, _ := s.(map[string]any)
		if is, _ := m["ready"].(bool); is {
			ready++
		}
		n, _ := m["restartCount"].(int64)
		restarts += n
	}
	text = fmt.Sprintf("%d/%d ready", ready, len(statuses))
	if restarts > 0 {
		text += fmt.Sprintf(", %d restarts", restarts)
	}
	return text, containers
}
