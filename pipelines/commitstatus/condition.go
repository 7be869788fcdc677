package commitstatus

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Condition of a Repository with a forge: whether it takes the statuses.
const Condition = "StatusesReported"

// say on the Repository how its forge takes statuses; no reason: it does. What is said
// already is not said again. A new trouble is an event, too.
func (r *Reporter) say(ctx context.Context, repo *v1alpha1.Repository, reason, message string) error {
	want := metav1.Condition{Type: Condition, Status: metav1.ConditionTrue, Reason: "Taken", Message: message, ObservedGeneration: repo.Generation}
	if reason != "" {
		want.Status, want.Reason = metav1.ConditionFalse, reason
	}
	want.Message = clip(want.Message, 1000)
	news := false
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		now := &v1alpha1.Repository{}
		if err := r.Get(ctx, client.ObjectKeyFromObject(repo), now); err != nil {
			return err
		}
		have := meta.FindStatusCondition(now.Status.Conditions, Condition)
		news = have == nil || have.Status != want.Status || have.Reason != want.Reason
		if !news && have.Message == want.Message {
			return nil
		}
		before := now.DeepCopy()
		meta.SetStatusCondition(&now.Status.Conditions, want)
		return r.Status().Patch(ctx, now, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	})
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	if news && reason != "" && r.Events != nil {
		r.Events.Eventf(repo, nil, corev1.EventTypeWarning, "StatusNotTaken", "Report", "%s", want.Message)
	}
	return nil
}

// trimmed token, empty where it has bytes that no header takes.
func trimmed(token string) string {
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return ""
	}
	return token
}
