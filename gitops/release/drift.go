package release

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// Conditions about drift.
const (
	conditionDrifted   = "Drifted"
	conditionContested = "Contested"
)

const (
	// freeHeals of one object within fightWindow are done at once. One who changes the
	// same fields more often than that is a controller, and is not fought at full speed.
	freeHeals   = 3
	fightWindow = 10 * time.Minute
	firstPause  = 10 * time.Second
	longPause   = 10 * time.Minute
	maxDrifts   = 100
)

// drift compares the objects of which somebody changed what we manage with what they
// should be, and puts right what differs, or shows it.
func (k *keeper) drift(ctx context.Context, drifted []v1alpha1.ObjectReference) (again time.Duration, err error) {
	now := k.r.now()
	k.calm(drifted, now)
	defer func() {
		if err == nil {
			k.app.Status.Resynced = k.app.Spec.Resync
		}
	}()
	if len(drifted) == 0 {
		return k.next(now), nil
	}
	if err := k.load(ctx); err != nil {
		return 0, err
	}
	var suspects []*unstructured.Unstructured
	for _, o := range k.plan.Objects() {
		ref := apply.Inventory([]*unstructured.Unstructured{o})[0]
		if slices.ContainsFunc(drifted, func(d v1alpha1.ObjectReference) bool { return apply.Same(d, ref) }) {
			suspects = append(suspects, o)
		}
	}
	t, err := k.r.targetOf(ctx, k.app, k.n, k.plan)
	if err != nil {
		return 0, err
	}
	changes, err := k.r.Applier.Diff(ctx, t, suspects, nil)
	if err != nil {
		return 0, err
	}
	var write []*unstructured.Unstructured
	var healed []v1alpha1.ObjectReference
	for i, change := range changes {
		if change.Action == apply.Unchanged {
			// Somebody manages a field with us, or one that is theirs to change.
			write = append(write, suspects[i])
			k.app.Status.Drift = slices.DeleteFunc(k.app.Status.Drift, func(d v1alpha1.Drift) bool { return !d.Healed && apply.Same(d.ObjectReference, change.Object) })
			continue
		}
		d := k.see(change, now)
		if k.asked() || k.heals() && (d.Count <= freeHeals || !now.Before(d.LastSeen.Add(pause(d.Count)))) {
			write = append(write, suspects[i])
			healed = append(healed, change.Object)
		}
	}
	if len(write) > 0 {
		if err := k.write(ctx, t, write, healed); err != nil {
			return 0, err
		}
	}
	return k.next(now), nil
}

func (k *keeper) heals() bool {
	o := k.app.Spec.SyncOptions
	return o == nil || o.Drift != "report"
}

// asked says whether a person wants it put right now, whatever the rule is.
func (k *keeper) asked() bool { return k.app.Spec.Resync != k.app.Status.Resynced }

// write puts objects right.
func (k *keeper) write(ctx context.Context, t apply.Target, objects []*unstructured.Unstructured, healed []v1alpha1.ObjectReference) error {
	written, err := k.r.Applier.Apply(ctx, t, objects)
	if text := refusal(err); text != "" {
		// What is not ours to take stays as it is, and is shown.
		k.r.event(k.app, corev1.EventTypeWarning, "DriftNotHealed", "%s", text)
		return nil
	}
	if err != nil {
		return err
	}
	k.refs = replace(k.refs, written)
	for i := range k.app.Status.Drift {
		d := &k.app.Status.Drift[i]
		if !slices.ContainsFunc(healed, func(r v1alpha1.ObjectReference) bool { return apply.Same(r, d.ObjectReference) }) {
			continue
		}
		d.Healed = true
		reason, kind := "DriftHealed", corev1.EventTypeNormal
		if d.Count > freeHeals {
			reason, kind = "DriftContested", corev1.EventTypeWarning
		}
		k.r.event(k.app, kind, reason, "%s", sentence(*d))
	}
	return nil
}

// see notes that an object differs, and counts how often it came back.
func (k *keeper) see(change apply.Change, now time.Time) v1alpha1.Drift {
	at := metav1.NewTime(now.Truncate(time.Second))
	list := &k.app.Status.Drift
	i := slices.IndexFunc(*list, func(d v1alpha1.Drift) bool { return apply.Same(d.ObjectReference, change.Object) })
	if i < 0 {
		if len(*list) >= maxDrifts {
			*list = slices.Delete(*list, 0, 1)
		}
		*list = append(*list, v1alpha1.Drift{ObjectReference: change.Object, FirstSeen: &at})
		i = len(*list) - 1
	}
	d := &(*list)[i]
	missing := change.Action == apply.Created
	again := d.Count > 0 && d.Missing == missing && (missing || overlap(d.Fields, change.Fields))
	switch {
	case !again:
		d.Count, d.FirstSeen, d.LastSeen = 1, &at, &at
	case d.Healed:
		d.Count++
		d.LastSeen = &at
	}
	if d.Count == 1 && !d.Healed && !k.heals() && d.LastSeen == &at {
		k.r.event(k.app, corev1.EventTypeWarning, "Drifted", "%s", sentence(v1alpha1.Drift{ObjectReference: change.Object, Missing: missing, Fields: change.Fields, Managers: change.Managers}))
	}
	d.Missing, d.Fields, d.Managers, d.Healed = missing, change.Fields, change.Managers, false
	return *d
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(f string) bool { return slices.Contains(b, f) })
}

// calm forgets what has been quiet for long, and what was set right by others.
func (k *keeper) calm(drifted []v1alpha1.ObjectReference, now time.Time) {
	list := slices.Clone(k.app.Status.Drift)
	k.app.Status.Drift = slices.DeleteFunc(list, func(d v1alpha1.Drift) bool {
		if slices.ContainsFunc(drifted, func(r v1alpha1.ObjectReference) bool { return apply.Same(r, d.ObjectReference) }) {
			return false
		}
		quiet := d.LastSeen == nil || now.Sub(d.LastSeen.Time) >= quietAfter(d.Count) || d.LastSeen.After(now.Add(time.Minute))
		return quiet || !d.Healed
	})
}

// quietAfter is how long nobody may change an object until its changes are forgotten: one
// that is healed at long intervals is remembered for longer than those.
func quietAfter(count int32) time.Duration { return fightWindow + pause(count) }

// pause before the same fields are put right again.
func pause(count int32) time.Duration {
	if count <= freeHeals {
		return 0
	}
	return min(firstPause<<min(count-freeHeals-1, 10), longPause)
}

// next time to look: when something may be healed, or can be forgotten.
func (k *keeper) next(now time.Time) time.Duration {
	var out time.Duration
	for _, d := range k.app.Status.Drift {
		switch {
		case d.LastSeen == nil, d.Count <= freeHeals && d.Healed:
		case d.Healed:
			out = sooner(out, max(d.LastSeen.Add(quietAfter(d.Count)).Sub(now), time.Second))
		case k.heals():
			out = sooner(out, max(d.LastSeen.Add(pause(d.Count)).Sub(now), time.Second))
		}
	}
	return out
}

// drifts keeps the conditions about drift, and says what differs now, or "".
func drifts(app *v1alpha1.Application) string {
	var open, contested []string
	for _, d := range app.Status.Drift {
		if !d.Healed {
			open = append(open, sentence(d))
		}
		if d.Count > freeHeals {
			contested = append(contested, sentence(d))
		}
	}
	condition(app, conditionDrifted, "Changed", open)
	condition(app, conditionContested, "ChangedAgainAndAgain", contested)
	return strings.Join(open, "; ")
}

func condition(app *v1alpha1.Application, name, reason string, why []string) {
	if len(why) == 0 {
		meta.RemoveStatusCondition(&app.Status.Conditions, name)
		return
	}
	meta.SetStatusCondition(&app.Status.Conditions, metav1.Condition{Type: name, Status: metav1.ConditionTrue, Reason: reason,
		Message: oneLine(strings.Join(why, "; ")), ObservedGeneration: app.Generation})
}

// sentence about a drift.
func sentence(d v1alpha1.Drift) string {
	who := ""
	if len(d.Managers) > 0 {
		who = " by " + strings.Join(d.Managers, ", ")
	}
	text := fmt.Sprintf("%s: %s was changed%s", apply.Title(d.ObjectReference), strings.Join(d.Fields, ", "), who)
	if d.Missing {
		text = apply.Title(d.ObjectReference) + " was deleted"
	}
	if d.Count > freeHeals {
		text += fmt.Sprintf(", %d times since %s; it is put right at most every %s now: stop whoever does it, or name the fields in spec.ignoreDifferences",
			d.Count, d.FirstSeen.UTC().Format("15:04:05"), pause(d.Count))
	}
	return text
}
