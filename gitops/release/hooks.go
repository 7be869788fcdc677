package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// hooks starts those of a step that were not started, and looks at those that run. waits
// says what is not over yet, and failed what failed. A hook is started once for a release
// and phase: that it will be is written before it is, and how it ended before anything
// lets go of it.
func (r *Reconciler) hooks(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, plan *apply.Plan, step apply.Step) (waits, failed string, err error) {
	if len(step.Hooks) == 0 {
		return "", "", nil
	}
	if err := r.announce(ctx, app, rel, step); err != nil {
		return "", "", err
	}
	t, err := r.targetOf(ctx, app, rel.Spec.Number, plan)
	if err != nil {
		return "", "", err
	}
	changed := false
	var waiting, bad []string
	for _, h := range step.Hooks {
		e := entry(rel, h)
		moved, message, err := r.hook(ctx, t, h, e)
		changed = changed || moved
		if err != nil {
			return "", "", r.keepHooks(ctx, rel, changed, err)
		}
		switch e.State {
		case v1alpha1.HookFailed:
			bad = append(bad, fmt.Sprintf("%s hook %s failed: %s", step.Phase, apply.Title(e.ObjectReference), e.Message))
		case v1alpha1.HookStarting, v1alpha1.HookRunning:
			waiting = append(waiting, fmt.Sprintf("hook %s: %s", apply.Title(e.ObjectReference), message))
		}
	}
	return strings.Join(waiting, "; "), strings.Join(bad, "; "), r.keepHooks(ctx, rel, changed, nil)
}

// keepHooks saves what is new about hooks, also when another of them is in trouble.
func (r *Reconciler) keepHooks(ctx context.Context, rel *v1alpha1.Release, changed bool, err error) error {
	if !changed {
		return err
	}
	return errors.Join(err, r.Client.Status().Update(ctx, rel))
}

// announce writes down that the hooks of a step are about to be made.
func (r *Reconciler) announce(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, step apply.Step) error {
	var refs []v1alpha1.ObjectReference
	fresh := false
	for _, h := range step.Hooks {
		refs = append(refs, h.Reference())
		if entry(rel, h) == nil {
			fresh = true
			rel.Status.Sync.Hooks = append(rel.Status.Sync.Hooks, v1alpha1.HookStatus{
				ObjectReference: h.Reference(), Phase: h.Phase, Wave: h.Wave, State: v1alpha1.HookStarting,
				DeletePolicies: h.Policies, StartedAt: r.stamp(),
			})
		}
	}
	// Who deletes the application must find them.
	if len(apply.Minus(refs, app.Status.Hooks)) > 0 {
		app.Status.Hooks = apply.Union(app.Status.Hooks, refs)
		if err := r.Client.Status().Update(ctx, app); err != nil {
			return err
		}
	}
	if !fresh {
		return nil
	}
	if err := r.want(ctx, app, step.Hooks); err != nil {
		return err
	}
	return r.Client.Status().Update(ctx, rel)
}

// hook takes one hook as far as it goes now. moved says whether there is news to save.
func (r *Reconciler) hook(ctx context.Context, t apply.Target, h apply.Hook, e *v1alpha1.HookStatus) (moved bool, message string, err error) {
	if e.State == v1alpha1.HookStarting {
		uid, err := r.Applier.StartHook(ctx, t, h)
		if text := refusal(err); text != "" {
			e.State, e.Message, e.FinishedAt = v1alpha1.HookFailed, oneLine(text), r.stamp()
			return true, "", nil
		}
		if err != nil {
			return false, "", err
		}
		if uid == "" {
			return false, "the one of the release before is being deleted", nil
		}
		e.State, e.UID, moved = v1alpha1.HookRunning, uid, true
	}
	if e.State != v1alpha1.HookRunning {
		return moved, "", nil
	}
	done, succeeded, message, err := r.Applier.Hook(ctx, t, e.ObjectReference, e.UID)
	if err != nil || !done {
		return moved, message, err
	}
	e.State, e.Message, e.FinishedAt = v1alpha1.HookSucceeded, oneLine(message), r.stamp()
	if !succeeded {
		e.State = v1alpha1.HookFailed
	}
	return true, message, nil
}

// entry of a hook in the status of a release, or nil.
func entry(rel *v1alpha1.Release, h apply.Hook) *v1alpha1.HookStatus {
	ref := h.Reference()
	for i := range rel.Status.Sync.Hooks {
		e := &rel.Status.Sync.Hooks[i]
		if e.Phase == h.Phase && e.Group == ref.Group && e.Kind == ref.Kind && e.Namespace == ref.Namespace && e.Name == ref.Name {
			return e
		}
	}
	return nil
}

// dropHooks lets go of the hooks of a wave, which are over, and deletes those whose
// policy says so. It may be repeated.
func (r *Reconciler) dropHooks(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, phase string, wave int32) error {
	for _, e := range rel.Status.Sync.Hooks {
		if e.Phase != phase || e.Wave != wave {
			continue
		}
		if err := r.Applier.DropHook(ctx, r.target(app, rel.Spec.Number), e.ObjectReference, e.UID, removes(e)); err != nil {
			return err
		}
	}
	return nil
}

// endHooks ends those that still run, and lets go of all.
func (r *Reconciler) endHooks(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) error {
	if rel.Status.Sync == nil {
		return nil
	}
	t := r.target(app, rel.Spec.Number)
	var faults []error
	for _, e := range rel.Status.Sync.Hooks {
		over := e.State == v1alpha1.HookSucceeded || e.State == v1alpha1.HookFailed
		if !over {
			r.event(app, corev1.EventTypeNormal, "HookEnded", "release %d: %s hook %s is ended", rel.Spec.Number, e.Phase, apply.Title(e.ObjectReference))
		}
		if e.UID == "" && over {
			continue // refused, never made
		}
		err := r.Applier.DropHook(ctx, t, e.ObjectReference, e.UID, !over || removes(e))
		if err != nil && refusal(err) == "" {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// removes says whether the policy of a hook that is over deletes it.
func removes(e v1alpha1.HookStatus) bool {
	switch e.State {
	case v1alpha1.HookSucceeded:
		return slices.Contains(e.DeletePolicies, apply.HookSucceeded)
	case v1alpha1.HookFailed:
		return slices.Contains(e.DeletePolicies, apply.HookFailed)
	}
	return false
}
