package run

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestOpenRequestsOfABranch(t *testing.T) {
	opened := func(number int64, source string) v1alpha1.MergeRequest {
		return v1alpha1.MergeRequest{Number: number, Source: source, State: v1alpha1.MergeRequestOpened}
	}
	fork, merged := opened(2, "topic"), opened(3, "topic")
	fork.Fork, merged.State = true, v1alpha1.MergeRequestMerged
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}, Status: v1alpha1.RepositoryStatus{
		MergeRequests: []v1alpha1.MergeRequest{opened(1, "topic"), fork, merged, opened(4, "other"), opened(5, "topic")}}}
	for ref, want := range map[string]string{"refs/heads/topic": "default/shop!1 default/shop!5", "refs/heads/other": "default/shop!4", "refs/heads/none": "", "refs/tags/topic": ""} {
		if got := strings.Join(openRequests(repo, ref), " "); got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}
