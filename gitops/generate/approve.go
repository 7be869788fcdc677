package generate

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"slipway.dev/cluster/api/v1alpha1"
)

// defaultQuota keeps one preview from taking the machine.
func defaultQuota() corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourcePods: resource.MustParse("30")}
}

// Approve lets one commit of a merge request from a fork be shown. The commit is named,
// so that nothing is approved that nobody has looked at.
func (c *Controller) Approve(ctx context.Context, namespace, set string, number int64, commit, by string) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		s := &v1alpha1.ApplicationSet{}
		if err := c.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: set}, s); err != nil {
			return err
		}
		found, err := c.find(ctx, s)
		if err != nil {
			return apierrors.NewBadRequest(err.Error())
		}
		for _, item := range found {
			if item.Number != number {
				continue
			}
			switch {
			case !item.Fork || item.Forks != v1alpha1.ForksApproved:
				return refused("merge request %d needs no approval here", number)
			case item.Commit != commit:
				return refused("merge request %d is at commit %s now, not at %.40s; look at that one", number, item.Commit, commit)
			case approved(s, item):
				return nil
			}
			s.Status.ForkApprovals = append(current(s, found), v1alpha1.ForkApproval{Number: number, Commit: commit, By: by, At: metav1.Now()})
			c.event(s, corev1.EventTypeNormal, "ForkApproved", "commit %.12s of merge request %d, by %s", commit, number, by)
			return c.Client.Status().Update(ctx, s)
		}
		return refused("applicationset %s: no open merge request %d of a fork is among what it shows", set, number)
	})
}

// current approvals: those of merge requests that are over are forgotten.
func current(s *v1alpha1.ApplicationSet, found []Item) []v1alpha1.ForkApproval {
	open := map[int64]bool{}
	for _, item := range found {
		open[item.Number] = true
	}
	var out []v1alpha1.ForkApproval
	for _, a := range s.Status.ForkApprovals {
		if open[a.Number] {
			out = append(out, a)
		}
	}
	return out
}

func refused(format string, args ...any) error {
	return apierrors.NewBadRequest(fmt.Sprintf(format, args...))
}
