package run

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/variables"
)

// bare is a commit without any file that matters.
type bare struct{ Source }

func (bare) Exists(context.Context, string, string, string, string) (bool, error) { return false, nil }

func TestTagMessageReachesItsRunsOnly(t *testing.T) {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	d := &Detector{
		Source: bare{}, Variables: &variables.Store{Client: fake.NewClientBuilder().WithScheme(s).Build()},
		Describe: func(context.Context, string, string, string) (string, string, time.Time, error) {
			return "of the commit", "Ann <ann@example.org>", time.Time{}, nil
		},
		TagMessage: func(_ context.Context, ns, repo, tag, commit string) (string, error) {
			return "of " + ns + "/" + repo + " " + tag + " at " + commit, nil
		},
	}
	for ref, want := range map[string]string{"refs/tags/v1": "of default/shop v1 at c", "refs/heads/v1": ""} {
		c, err := d.Compile(t.Context(), &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-1"},
			Spec: v1alpha1.RunSpec{Repository: "shop", Ref: ref, Commit: "c"}},
			&v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}, nil)
		if err != nil || c.Plan == nil {
			t.Fatalf("%s: %+v %v", ref, c, err)
		}
		got := ""
		for _, v := range c.Plan.Predefined {
			if v.Name == "CI_COMMIT_TAG_MESSAGE" {
				got = v.Value
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}
