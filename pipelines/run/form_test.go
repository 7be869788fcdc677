package run

import (
	"context"
	"strings"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/plan"
)

// asking is a compiler of files that ask for something.
type asking struct {
	*compiler
	form *gitlab.Form
}

func (a asking) Form(context.Context, *v1alpha1.Run, *v1alpha1.Repository) (*gitlab.Form, []v1alpha1.Problem, error) {
	return a.form, nil, nil
}

// TestStartRefusesWhatIsNoOption before there is a run.
func TestStartRefusesWhatIsNoOption(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.Compiler = asking{w.compiler, &gitlab.Form{Variables: []plan.Asked{{Name: "TARGET", Options: []string{"staging", "live"}}, {Name: "FREE"}}}}
	for value, ok := range map[string]bool{"staging": true, "prod": false, "": false} {
		_, err := w.Start(t.Context(), "default", StartRequest{Repository: "shop", Variables: map[string]string{"TARGET": value, "FREE": "x", "OTHER": "y"}})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "none of its options: staging, live") {
			t.Errorf("%q: %v", value, err)
		}
	}
	form, err := w.Form(t.Context(), "default", "shop", "")
	if err != nil || form.Ref != "refs/heads/main" || form.Commit == "" || len(form.Variables) != 2 {
		t.Errorf("%+v %v", form, err)
	}
	if _, err := w.Form(t.Context(), "default", "shop", "nope"); err == nil {
		t.Error("a ref that is not there has a form")
	}
}
