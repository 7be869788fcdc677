package plan

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAssignIDs(t *testing.T) {
	long := strings.Repeat("long ", 20)
	names := []string{"build", "Build", "build app", "测试", "---", long, "a_b", "a-b", "42", "deploy:prod/eu"}
	ids := func(names []string) map[string]string {
		jobs := make([]Job, len(names))
		for i, n := range names {
			jobs[i].Name = n
		}
		AssignIDs(jobs)
		out, seen := map[string]string{}, map[string]bool{}
		for _, j := range jobs {
			if !validID(j.ID) || seen[j.ID] {
				t.Errorf("job %q has the id %q", j.Name, j.ID)
			}
			seen[j.ID] = true
			out[j.Name] = j.ID
		}
		return out
	}
	forward := ids(names)
	back := make([]string, len(names))
	for i, n := range names {
		back[len(names)-1-i] = n
	}
	if backward := ids(back); !reflect.DeepEqual(forward, backward) {
		t.Errorf("ids depend on the order:\n%v\n%v", forward, backward)
	}
	for name, id := range map[string]string{"build": "build", "build app": "build-app", "a-b": "a-b", "42": "42", "deploy:prod/eu": "deploy-prod-eu"} {
		if forward[name] != id {
			t.Errorf("%q has the id %q, want %q", name, forward[name], id)
		}
	}
}

func TestCycleIsNamed(t *testing.T) {
	p := &Plan{Version: Version, Jobs: []Job{
		{Name: "x", ID: "x", When: OnSuccess, Needs: []Need{{Job: "a"}}},
		{Name: "a", ID: "a", When: OnSuccess, Needs: []Need{{Job: "b"}}},
		{Name: "b", ID: "b", When: OnSuccess, Needs: []Need{{Job: "c"}}},
		{Name: "c", ID: "c", When: OnSuccess, Needs: []Need{{Job: "a"}}},
	}}
	err := p.Check()
	var cycle *CycleError
	if !errors.As(err, &cycle) || !reflect.DeepEqual(cycle.Jobs, []string{"a", "b", "c"}) {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(err.Error(), "a -> b -> c -> a") {
		t.Error(err)
	}
	if d := p.Next(nil, false); d.Phase != "Failed" || len(d.Start) > 0 {
		t.Errorf("%+v", d)
	}
}

func TestCheck(t *testing.T) {
	p := &Plan{Version: "other", Jobs: []Job{
		{Name: "a", ID: "a", When: OnSuccess}, {Name: "a", ID: "a", When: "later"},
		{Name: "b", ID: "B!", When: Always, Needs: []Need{{Job: "gone"}, {Job: "maybe", Optional: true}}},
	}}
	err := p.Check()
	for _, want := range []string{"version", `"a" is there twice`, `when "later"`, `id "B!"`, `needs "gone"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "maybe") {
		t.Error("an optional need is missed:", err)
	}
}

func TestEncodeDecode(t *testing.T) {
	p := build(t, "a:", "b manual may-fail: a")
	p.Jobs[0].Timeout = metav1.Duration{Duration: 90 * time.Second}
	p.Jobs[0].Artifacts = &Artifacts{Paths: []string{"x"}, When: Always}
	p.Jobs[1].Build = &Build{Image: "registry.slipway.internal/default/a"}
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(data)
	if err != nil || !reflect.DeepEqual(p, back) {
		t.Errorf("%v\n%+v\n%+v", err, p, back)
	}
	for _, bad := range []string{"", "{", `{"version":"slipway.dev/plan/v2","source":"x","jobs":[]}`, `{"version":"slipway.dev/plan/v1","source":"x","jobs":[],"more":1}`} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%q is decoded", bad)
		}
	}
}

func TestEdges(t *testing.T) {
	p := build(t, "a:", "b: a", "c: a b", "d: a b c")
	want := map[string][]string{"b": {"a"}, "c": {"b"}, "d": {"c"}}
	if got := p.Edges(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
