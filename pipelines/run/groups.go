package run

import (
	"cmp"
	"fmt"
	"slices"

	"slipway.dev/cluster/api/v1alpha1"
)

// member is one job that has or wants a resource group.
type member struct {
	run *claim
	groupClaim
}

// askGroup for the job: one job of the repository has the group at a time. Who is
// next depends on the mode.
func (t *turn) askGroup(js *v1alpha1.JobStatus) string {
	group, mode := js.ResourceGroup, t.modes[js.ResourceGroup]
	if t.groups[group] {
		return fmt.Sprintf("waits for resource group %s: another job of this run has it", group)
	}
	me := member{t.me, groupClaim{group: group, job: js.Name, ready: true, played: true, since: now().Time}}
	if js.QueuedAt != nil {
		me.since = js.QueuedAt.Time
	}
	members := []member{me}
	for _, c := range t.runs {
		if c.repo != t.me.repo {
			continue
		}
		for _, g := range c.groups {
			switch {
			case g.group != group || c.key == t.me.key && g.job == js.Name:
			case g.running:
				return fmt.Sprintf("waits for resource group %s: job %s of run %s has it", group, g.job, c.key.Name)
			case g.ready, g.played && (mode == v1alpha1.OldestFirst || mode == v1alpha1.NewestFirst):
				members = append(members, member{c, g})
			}
		}
	}
	slices.SortFunc(members, func(a, b member) int {
		n := 0
		switch mode {
		case v1alpha1.OldestFirst:
			n = cmp.Compare(a.run.sequence, b.run.sequence)
		case v1alpha1.NewestFirst, v1alpha1.NewestReadyFirst:
			n = cmp.Compare(b.run.sequence, a.run.sequence)
		}
		// Of one run, what is ready comes before what waits for it.
		return cmp.Or(n, compareReady(a, b), a.since.Compare(b.since), compareKeys(a.run.key, b.run.key), cmp.Compare(a.job, b.job))
	})
	place := slices.IndexFunc(members, func(m member) bool { return m.run.key == me.run.key && m.job == me.job })
	if place == 0 {
		return ""
	}
	first := members[0]
	return fmt.Sprintf("%s in the queue of resource group %s, behind job %s of run %s", ordinal(place+1), group, first.job, first.run.key.Name)
}

func compareReady(a, b member) int {
	switch {
	case a.ready == b.ready:
		return 0
	case a.ready:
		return -1
	}
	return 1
}
