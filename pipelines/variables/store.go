package variables

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Store keeps variables as Secrets. Its client must not cache Secrets.
type Store struct{ client.Client }

// kept is a variable with its Secret.
type kept struct {
	Variable
	secret *corev1.Secret
}

// all variables of a namespace in a stable order.
func (s *Store) all(ctx context.Context, namespace string) ([]kept, error) {
	list := &corev1.SecretList{}
	if err := s.Client.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelVariable: "true"}); err != nil {
		return nil, fmt.Errorf("variables of namespace %s: %w", namespace, err)
	}
	var out []kept
	for i := range list.Items {
		if v, ok := decode(&list.Items[i]); ok {
			out = append(out, kept{v, &list.Items[i]})
		}
	}
	slices.SortFunc(out, func(a, b kept) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Branch, b.Branch), cmp.Compare(a.secret.Name, b.secret.Name))
	})
	return out, nil
}

// List the variables of the namespace, and of one repository or (repository empty) of all.
func (s *Store) List(ctx context.Context, namespace, repository string) ([]Variable, error) {
	all, err := s.all(ctx, namespace)
	out := []Variable{}
	for _, k := range all {
		if repository == "" || k.Repository == "" || k.Repository == repository {
			out = append(out, k.Variable)
		}
	}
	return out, err
}

// Set a variable; one of the same repository, name and scopes is replaced.
func (s *Store) Set(ctx context.Context, namespace string, v Variable, value []byte) error {
	if err := check(v, value); err != nil {
		return err
	}
	v.At = time.Now()
	want := encode(namespace, v)
	want.Data = map[string][]byte{key: value}
	if v.Repository != "" {
		repo := &v1alpha1.Repository{}
		if err := s.Get(ctx, types.NamespacedName{Namespace: namespace, Name: v.Repository}, repo); err != nil {
			return err
		}
		// They go with the repository.
		want.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(repo, v1alpha1.GroupVersion.WithKind("Repository"))}
	}
	all, err := s.all(ctx, namespace)
	if err != nil {
		return err
	}
	if len(all) >= MaxVariables && !slices.ContainsFunc(all, func(k kept) bool { return k.secret.Name == want.Name }) {
		return bad("variable %s: namespace %s has %d variables, which is the limit; delete one", v.Name, namespace, len(all))
	}
	err = s.Create(ctx, want)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	want.ResourceVersion = "" // the last one to set it wins
	return s.Update(ctx, want)
}

// Delete the variable of that repository, name and scopes; nothing else of v counts.
func (s *Store) Delete(ctx context.Context, namespace string, v Variable) error {
	all, err := s.all(ctx, namespace)
	if err != nil {
		return err
	}
	found := false
	for _, k := range all {
		if k.Repository != v.Repository || k.Name != v.Name || k.Environment != scope(v.Environment) || k.Branch != scope(v.Branch) {
			continue
		}
		found = true
		if err := s.Client.Delete(ctx, k.secret); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	if !found {
		of := "the namespace"
		if v.Repository != "" {
			of = "repository " + v.Repository
		}
		err := apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("variables").GroupResource(), v.Name)
		err.ErrStatus.Message = fmt.Sprintf("variable %s of %s, environment %s, branch %s, not found; `slipway variable list` shows what there is",
			v.Name, of, scope(v.Environment), scope(v.Branch))
		return err
	}
	return nil
}
