package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// Prune deletes, as the deployer, the objects that left the inventory and still
// carry the application's label, in the tenant's namespace or one that belongs to it.
// Claims, CRDs and namespaces stay. It is idempotent.
func (a *Applier) Prune(ctx context.Context, t Target, gone []v1alpha1.ObjectReference) error {
	skip := map[string]bool{}
	var faults []error
	for i := len(gone) - 1; i >= 0; i-- {
		ref := gone[i]
		if keeps(ref.Group, ref.Kind) || ref.Namespace == "" {
			continue
		}
		empty, known := skip[ref.Namespace]
		if !known {
			var err error
			if empty, err = a.emptied(ctx, t, ref.Namespace); err != nil {
				return err
			}
			skip[ref.Namespace] = empty
		}
		if empty {
			continue
		}
		deployer, err := a.deployer(ref.Namespace)
		if err != nil {
			return err
		}
		live := object(ref)
		err = deployer.Get(ctx, client.ObjectKeyFromObject(live), live)
		if err == nil && live.GetLabels()[v1alpha1.LabelApplication] == t.Application {
			uid := live.GetUID()
			err = deployer.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationBackground),
				client.Preconditions{UID: &uid})
		}
		if err != nil && !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
			faults = append(faults, fmt.Errorf("prune %s/%s: %w", ref.Kind, ref.Name, err))
		}
	}
	return errors.Join(faults...)
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
