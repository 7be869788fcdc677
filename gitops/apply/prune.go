package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// keeps says which kinds are never pruned: their removal loses data.
func keeps(group, kind string) bool {
	switch kind {
	case "PersistentVolumeClaim", "Namespace":
		return group == ""
	case "CustomResourceDefinition":
		return true
	}
	return false
}

// Why objects are pruned decides which of them are.
type Why int

// Left: they left the set. Confirmed: and a person agreed. Deleted: the application goes.
// Kept: nothing is deleted, only looked for.
const (
	Left Why = iota
	Confirmed
	Deleted
	Kept
)

// Prune deletes, as the account, the objects that left the inventory and are still the
// application's, in the reverse order. Claims, CRDs and namespaces stay, and so does what
// is protected. What could go and is still there is returned, with why it is. It is
// idempotent.
func (a *Applier) Prune(ctx context.Context, t Target, gone []v1alpha1.ObjectReference, why Why) (extra []v1alpha1.ObjectReference, err error) {
	var faults []error
	for i := len(gone) - 1; i >= 0; i-- {
		ref := gone[i]
		if keeps(ref.Group, ref.Kind) {
			continue
		}
		if empty, err := a.emptied(ctx, t, ref.Namespace); err != nil {
			return nil, err
		} else if empty {
			continue
		}
		p, err := a.placeFor(ctx, t, ref.Namespace)
		if err != nil {
			return nil, err
		}
		live, err := find(ctx, p.client, ref)
		if err == nil && live != nil && t.owns(live) {
			switch protected := protection(live); {
			case protected == ExtraKept, why == Deleted && stays(live):
				continue
			case why == Kept, protected == ExtraConfirm && why == Left:
				ref.Extra = ExtraKept
				if why == Left {
					ref.Extra = ExtraConfirm
				}
				if ignoresExtra(live) {
					ref.Extra = ExtraIgnored
				}
				extra = append(extra, ref)
				continue
			}
			if err = release(ctx, p, live); err == nil && live.GetDeletionTimestamp() == nil {
				uid := live.GetUID()
				err = p.client.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &uid})
			}
		}
		if err != nil && !apierrors.IsNotFound(err) {
			faults = append(faults, fmt.Errorf("prune %s/%s: %w", ref.Kind, ref.Name, err))
		}
	}
	return extra, errors.Join(faults...)
}

// Orphan lets go of objects and leaves them as they are: no application has them then.
// Pod templates keep their label, so that nothing restarts.
func (a *Applier) Orphan(ctx context.Context, t Target, refs []v1alpha1.ObjectReference) error {
	var faults []error
	for _, ref := range refs {
		if empty, err := a.emptied(ctx, t, ref.Namespace); err != nil {
			return err
		} else if empty {
			continue
		}
		p, err := a.placeFor(ctx, t, ref.Namespace)
		if err != nil {
			return err
		}
		live, err := find(ctx, p.client, ref)
		if err == nil && live != nil && t.owns(live) {
			if err = release(ctx, p, live); err == nil {
				patch := object(ref)
				patch.SetNamespace(live.GetNamespace())
				err = p.client.Patch(ctx, patch, client.RawPatch(types.MergePatchType, []byte(orphanPatch)), client.FieldOwner(FieldManager))
			}
		}
		if client.IgnoreNotFound(err) != nil {
			faults = append(faults, fmt.Errorf("let go of %s/%s: %w", ref.Kind, ref.Name, err))
		}
	}
	return errors.Join(faults...)
}

const orphanPatch = `{"metadata":{"labels":{"` + v1alpha1.LabelApplication + `":null,"` + v1alpha1.LabelRelease + `":null,"` +
	v1alpha1.LabelApplicationNamespace + `":null}}}`

// finalizerPatch replaces the finalizers of an object, if nobody changed it meanwhile.
func finalizerPatch(live *unstructured.Unstructured, rest []string) ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": map[string]any{
		"finalizers": rest, "resourceVersion": live.GetResourceVersion(),
	}})
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
