package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// state is how an application is said to be.
func state(change func(*slipway.Application)) *slipway.Application {
	a := &slipway.Application{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	a.Spec.Desired = &slipway.Desired{Commit: "new"}
	a.Status = slipway.ApplicationStatus{Current: 3, Healthy: 3, Last: 3, Health: "Healthy", Sync: "Synced"}
	settledAs(a, "True", "Settled")
	change(a)
	return a
}

func settledAs(a *slipway.Application, status metav1.ConditionStatus, reason string) {
	a.Status.Conditions = []metav1.Condition{{Type: "Applied", Status: status, Reason: reason}}
}

// TestAWaitEndsWithWhatIsDesired, and not with how it was before that was desired.
func TestAWaitEndsWithWhatIsDesired(t *testing.T) {
	releases := slipway.ReleaseList{Items: []slipway.Release{
		{Spec: slipway.ReleaseSpec{Number: 4, Desired: slipway.Desired{Commit: "broken"}}, Status: slipway.ReleaseStatus{Result: slipway.ReleaseFailed, Reason: "no such image"}},
		{Spec: slipway.ReleaseSpec{Number: 3, Desired: slipway.Desired{Commit: "new"}}, Status: slipway.ReleaseStatus{Result: slipway.ReleaseHealthy}},
	}}
	failed := func(a *slipway.Application) {
		a.Spec.Desired.Commit = "broken"
		a.Status.Last, a.Status.Sync, a.Status.Message = 4, "Failed", "release 4 failed, release 3 runs: no such image"
		a.Status.Refused = a.Spec.Desired.DeepCopy()
	}
	pinned := func(n int64) func(*slipway.Application) {
		return func(a *slipway.Application) { a.Spec.Pin, a.Status.Current, a.Status.Sync = n, n, "Pinned" }
	}
	for name, tc := range map[string]struct {
		state func(*slipway.Application)
		n     int64
		want  string // "" is the end, else the error
	}{
		"it runs":                   {func(*slipway.Application) {}, 0, ""},
		"that release runs":         {func(*slipway.Application) {}, 3, ""},
		"something else is desired": {func(a *slipway.Application) { a.Spec.Desired.Commit = "newer" }, 0, "goes on"},
		"nothing is desired":        {func(a *slipway.Application) { a.Spec.Desired = nil }, 0, "goes on"},
		"it is being applied":       {func(a *slipway.Application) { settledAs(a, "False", "Applying") }, 0, "goes on"},
		"it was healthy once":       {func(a *slipway.Application) { a.Status.Health = "Degraded" }, 0, "goes on"},
		"drift is to be put right":  {func(a *slipway.Application) { a.Spec.Resync = "asked" }, 0, "goes on"},
		"what left is kept":         {func(a *slipway.Application) { a.Status.Sync = "OutOfSync" }, 0, ""},
		"it failed":                 {failed, 0, "application shop: release 4 failed, release 3 runs: no such image"},
		"before it was asked for":   {func(*slipway.Application) {}, 0, "goes on"},
		"before it is tried again":  {failed, 0, "goes on"},
		"it is tried again":         {func(a *slipway.Application) { failed(a); a.Spec.Retry = "asked" }, 0, "goes on"},
		"that release failed":       {failed, 4, "application shop: release 4 failed: no such image"},
		"the one before runs":       {failed, 3, ""},
		"that release is to come":   {func(*slipway.Application) {}, 5, "goes on"},
		"pinned":                    {pinned(2), 0, ""},
		"it is being pinned":        {func(a *slipway.Application) { pinned(2)(a); settledAs(a, "False", "Applying") }, 0, "goes on"},
		"another one is pinned":     {func(a *slipway.Application) { a.Spec.Pin = 2 }, 0, "goes on"},
		"it cannot be pinned": {func(a *slipway.Application) {
			a.Spec.Pin, a.Status.Sync, a.Status.Message = 2, "Failed", "release 2 cannot be applied: forbidden"
		}, 0, "cannot be applied"},
		"the other one could not be": {func(a *slipway.Application) {
			a.Spec.Pin, a.Status.Sync, a.Status.Message = 1, "Failed", "release 2 cannot be applied: forbidden"
		}, 0, "goes on"},
	} {
		t.Run(name, func(t *testing.T) {
			said, err := json.Marshal(state(tc.state))
			if err != nil {
				t.Fatal(err)
			}
			c, _ := talk(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/releases") {
					_ = json.NewEncoder(w).Encode(releases)
					return
				}
				if strings.HasSuffix(r.URL.Path, "/shop") {
					now := state(tc.state)
					if strings.HasPrefix(name, "before") {
						now.Spec.Retry = "asked"
						now.Spec.Desired.Commit = "newer"
					}
					_ = json.NewEncoder(w).Encode(now)
					return
				}
				fmt.Fprintf(w, "data: {\"kind\": \"Application\", \"type\": \"ADDED\", \"object\": %s}\n\n", said)
				// One that is gone ends what would go on.
				fmt.Fprintf(w, "data: {\"kind\": \"Application\", \"type\": \"DELETED\", \"object\": {\"metadata\": {\"name\": \"shop\"}}}\n\n")
			})
			_, err = c.WaitApp(t.Context(), "shop", tc.n)
			want := tc.want
			if want == "goes on" {
				want = "application shop was deleted"
			}
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}
