package apply

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// write makes one object so, and returns it as the apiserver has it then.
func (a *Applier) write(ctx context.Context, p *place, t Target, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	var live *unstructured.Unstructured
	if needsLive(t, o) {
		var err error
		if live, err = get(ctx, p.client, o); err != nil {
			return nil, ssaerrors.NewDryRunErr(err, o)
		}
	}
	written, _, err := a.submit(ctx, p, t, o, live, false)
	if err == nil || o.GetAnnotations()[AnnotationRecreate] != "true" || !apierrors.IsInvalid(err) {
		return written, err
	}
	if live == nil {
		if live, err = get(ctx, p.client, o); err != nil || live == nil {
			return nil, err
		}
	}
	if fault := a.fresh(ctx, p.client, o); fault != nil {
		return nil, fault
	}
	return a.recreate(ctx, p, t, o, live)
}

// recreate deletes an object and makes it anew. One that takes its time to go is waited
// for by whoever asks again.
func (a *Applier) recreate(ctx context.Context, p *place, t Target, o, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if live.GetDeletionTimestamp() == nil {
		uid := live.GetUID()
		err := p.client.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &uid})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("%s is to be made anew: %w", title(o), err)
		}
	}
	rest, err := get(ctx, p.client, o)
	if err != nil {
		return nil, err
	}
	if rest != nil && rest.GetUID() == live.GetUID() {
		return nil, &Waiting{Message: leaving(rest, "made anew")}
	}
	written, _, err := a.submit(ctx, p, t, o, nil, false)
	return written, err
}

// leaving says what an object that is being deleted waits for.
func leaving(o *unstructured.Unstructured, then string) string {
	text := fmt.Sprintf("%s is being deleted to be %s", title(o), then)
	if f := o.GetFinalizers(); len(f) > 0 {
		text += "; it waits for " + strings.Join(f, ", ")
	}
	return text
}

func needsLive(t Target, o *unstructured.Unstructured) bool {
	return option(o, "Replace", t.Options.Replace) || len(t.ignores(o)) > 0
}

// submit sends one object as the account, or asks what would become of it. Fields of
// others are taken over and named, or, if the target says so, refused.
func (a *Applier) submit(ctx context.Context, p *place, t Target, o, live *unstructured.Unstructured, dry bool) (*unstructured.Unstructured, []v1alpha1.FieldConflict, error) {
	out := o.DeepCopy()
	if live != nil {
		respect(out, live, t.ignores(o))
	}
	if option(o, "Replace", t.Options.Replace) {
		return out, nil, replace(ctx, p.client, out, live, dry)
	}
	attempt := func(force bool) (*unstructured.Unstructured, error) {
		try := out.DeepCopy()
		options := []client.PatchOption{client.FieldOwner(FieldManager)}
		if force {
			options = append(options, client.ForceOwnership)
		}
		if dry {
			options = append(options, client.DryRunAll)
		}
		return try, p.client.Patch(ctx, try, client.Apply, options...) //nolint:staticcheck // Patch returns the object as it is then
	}
	take := t.Options.Conflicts != "fail"
	if take && !dry {
		done, err := attempt(true)
		return done, nil, err
	}
	done, err := attempt(false)
	conflicts := conflictsOf(o, err)
	if len(conflicts) == 0 {
		return done, nil, err
	}
	if !take {
		return nil, conflicts, refuse("%s; the application does not take fields from others (spec.syncOptions.conflicts: fail)", Describe(conflicts))
	}
	done, err = attempt(true)
	return done, conflicts, err
}

// replace writes the whole object, but for what others hold of its metadata.
func replace(ctx context.Context, c client.Client, o, live *unstructured.Unstructured, dry bool) error {
	if live == nil {
		options := []client.CreateOption{client.FieldOwner(FieldManager)}
		if dry {
			options = append(options, client.DryRunAll)
		}
		return c.Create(ctx, o, options...)
	}
	o.SetResourceVersion(live.GetResourceVersion())
	o.SetUID(live.GetUID())
	o.SetFinalizers(live.GetFinalizers())
	o.SetOwnerReferences(live.GetOwnerReferences())
	options := []client.UpdateOption{client.FieldOwner(FieldManager)}
	if dry {
		options = append(options, client.DryRunAll)
	}
	return c.Update(ctx, o, options...)
}

// get reads an object; nil if it is not there.
func get(ctx context.Context, r client.Reader, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(o.GroupVersionKind())
	err := r.Get(ctx, client.ObjectKeyFromObject(o), live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return live, nil
}

var conflictWith = regexp.MustCompile(`conflict with "([^"]*)"`)

// conflictsOf reads from an answer who manages what.
func conflictsOf(o *unstructured.Unstructured, err error) []v1alpha1.FieldConflict {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsConflict(err) || status.Status().Details == nil {
		return nil
	}
	fields := map[string][]string{}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		manager := cause.Message
		if m := conflictWith.FindStringSubmatch(cause.Message); m != nil {
			manager = m[1]
		}
		if !slices.Contains(fields[manager], cause.Field) {
			fields[manager] = append(fields[manager], cause.Field)
		}
	}
	var out []v1alpha1.FieldConflict
	for manager, list := range fields {
		sort.Strings(list)
		out = append(out, v1alpha1.FieldConflict{Object: title(o), Manager: manager, Fields: list})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Manager < out[j].Manager })
	return out
}

// Describe says in one line who manages what.
func Describe(conflicts []v1alpha1.FieldConflict) string {
	var parts []string
	for _, c := range conflicts {
		parts = append(parts, fmt.Sprintf("%s: %q manages %s", c.Object, c.Manager, strings.Join(c.Fields, ", ")))
	}
	return strings.Join(parts, "; ")
}

// fresh says why an object would not be accepted if it did not exist yet; nil if it would.
func (a *Applier) fresh(ctx context.Context, c client.Client, o *unstructured.Unstructured) error {
	dry := o.DeepCopy()
	prefix := o.GetName()
	if prefix == "" {
		prefix = o.GetGenerateName()
	}
	dry.SetName("")
	dry.SetGenerateName(prefix[:min(len(prefix), 40)] + "-")
	return c.Create(ctx, dry, client.DryRunAll)
}
