package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
)

// TestProcessModes: who is next for a resource group. Others are written as "shop-2 b
// ready 1" (since minute 1), "later" (not ready yet), "manual" (nobody played it) or "has".
func TestProcessModes(t *testing.T) {
	next := func(place, job, run string) string {
		return fmt.Sprintf("%s in the queue of resource group env, behind job %s of run %s", place, job, run)
	}
	for _, tc := range []struct {
		name   string
		mode   v1alpha1.ProcessMode
		me     string // its job is a, ready since minute 5
		others []string
		want   string
	}{
		{"free", "", "shop-2", nil, ""},
		{"taken", "", "shop-2", []string{"shop-1 b has"}, "waits for resource group env: job b of run shop-1 has it"},
		{"taken, whoever is next", v1alpha1.NewestFirst, "shop-2", []string{"shop-1 b has"}, "waits for resource group env: job b of run shop-1 has it"},
		{"another repository's group is another one", "", "shop-2", []string{"blog-1 b has"}, ""},
		{"taken by its own run", "", "shop-2", []string{"shop-2 b has"}, "waits for resource group env: job b of run shop-2 has it"},

		{"unordered: who waited longest", v1alpha1.Unordered, "shop-2", []string{"shop-3 b ready 1"}, next("2nd", "b", "shop-3")},
		{"unordered, unless said otherwise", "", "shop-2", []string{"shop-3 b ready 1", "shop-1 c ready 2"}, next("3rd", "b", "shop-3")},
		{"unordered: not who is not ready", "", "shop-2", []string{"shop-1 b later"}, ""},
		{"unordered: first", "", "shop-2", []string{"shop-1 b ready 6"}, ""},

		{"oldest first: an older run", v1alpha1.OldestFirst, "shop-2", []string{"shop-1 b ready 9"}, next("2nd", "b", "shop-1")},
		{"oldest first: an older run that is not ready", v1alpha1.OldestFirst, "shop-2", []string{"shop-1 b later"}, next("2nd", "b", "shop-1")},
		{"oldest first: not a manual job that nobody played", v1alpha1.OldestFirst, "shop-2", []string{"shop-1 b manual"}, ""},
		{"oldest first: before newer ones", v1alpha1.OldestFirst, "shop-2", []string{"shop-3 b ready 1"}, ""},
		{"oldest first: of its own run, what is ready", v1alpha1.OldestFirst, "shop-2", []string{"shop-2 b later"}, ""},

		{"newest first: a newer run", v1alpha1.NewestFirst, "shop-2", []string{"shop-3 b ready 9"}, next("2nd", "b", "shop-3")},
		{"newest first: a newer run that is not ready", v1alpha1.NewestFirst, "shop-2", []string{"shop-3 b later"}, next("2nd", "b", "shop-3")},
		{"newest first: the newest of several", v1alpha1.NewestFirst, "shop-2", []string{"shop-3 b ready 1", "shop-4 c ready 2", "shop-1 d ready 0"}, next("3rd", "c", "shop-4")},
		{"newest first: before older ones", v1alpha1.NewestFirst, "shop-2", []string{"shop-1 b ready 1"}, ""},

		{"newest ready first: a newer run", v1alpha1.NewestReadyFirst, "shop-2", []string{"shop-3 b ready 9"}, next("2nd", "b", "shop-3")},
		{"newest ready first: not one that is not ready", v1alpha1.NewestReadyFirst, "shop-2", []string{"shop-3 b later"}, ""},
		{"newest ready first: before older ones", v1alpha1.NewestReadyFirst, "shop-2", []string{"shop-1 b ready 1"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			turn := turnOf(tc.me + " open")
			turn.modes = map[string]v1alpha1.ProcessMode{"env": tc.mode}
			for _, o := range tc.others {
				f := strings.Fields(o)
				k := types.NamespacedName{Namespace: "default", Name: f[0]}
				if turn.runs[k] == nil {
					turn.runs[k] = claimed(f[0] + " open")
				}
				g := groupClaim{group: "env", job: f[1], running: f[2] == "has", played: f[2] != "manual"}
				if f[2] == "ready" {
					var minute int
					_, err := fmt.Sscan(f[3], &minute)
					require.NoError(t, err)
					g.ready, g.since = true, noon.Add(time.Duration(minute)*time.Minute)
				}
				turn.runs[k].groups = append(turn.runs[k].groups, g, groupClaim{group: "another", job: "z", running: true})
			}
			since := metav1.NewMicroTime(noon.Add(5 * time.Minute))
			require.Equal(t, tc.want, turn.askGroup(&v1alpha1.JobStatus{Name: "a", ResourceGroup: "env", QueuedAt: &since}))
		})
	}
	turn := turnOf("shop-1 open")
	turn.groups["env"] = true
	require.Equal(t, "waits for resource group env: another job of this run has it", turn.askGroup(&v1alpha1.JobStatus{Name: "a", ResourceGroup: "env"}))
}
