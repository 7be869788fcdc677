package run

import (
	"testing"

	"slipway.dev/pipelines/plan"
)

func TestBeyond(t *testing.T) {
	p := &plan.Plan{Source: ".gitlab-ci.yml", Jobs: []plan.Job{
		{Name: "plain"},
		{Name: "child", Trigger: &plan.Trigger{Files: []plan.TriggerFile{{Path: "child.yml"}}}},
	}}
	got := beyond(p)
	if len(got) != 1 || got[0].Message != `job "child" starts another pipeline, which this server does not run` || got[0].File != ".gitlab-ci.yml" || got[0].Hint == "" {
		t.Errorf("%+v", got)
	}
}
