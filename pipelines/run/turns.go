package run

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// turns knows what every unfinished run has and wants, so that runs and jobs take
// turns: limits of a repository and of the server, and resource groups. It is made
// from the Runs themselves, which only this controller changes, and forgets nothing
// that they do not say again after a restart.
type turns struct {
	mu   sync.Mutex
	runs map[types.NamespacedName]*claim
	// wake asks for a look at a run; set before the first use.
	wake func(types.NamespacedName)
}

// claim is what one run has and wants.
type claim struct {
	key, repo types.NamespacedName
	sequence  int64
	created   time.Time
	// counted: it takes one of the places of runs. A run that another one started
	// shares that one's, so that neither waits for the other.
	counted bool
	// holds a place: one of its jobs runs. wants one, since the time.
	holds bool
	wants bool
	since time.Time
	// running jobs that have a pod; ready ones, each by the time since when.
	running int
	ready   []time.Time
	groups  []groupClaim
}

// groupClaim is one job of a resource group that is not over.
type groupClaim struct {
	group, job    string
	running       bool
	ready, played bool
	since         time.Time
}

func key(run *v1alpha1.Run) types.NamespacedName {
	return types.NamespacedName{Namespace: run.Namespace, Name: run.Name}
}

// claimOf a run as its status has it; nil where it neither has nor wants anything.
func claimOf(run *v1alpha1.Run) *claim {
	c := &claim{
		key: key(run), repo: types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository},
		sequence: run.Spec.Sequence, created: run.CreationTimestamp.Time, counted: run.Spec.Parent == nil,
	}
	open := false
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		if js.Phase.Finished() {
			continue
		}
		open = true
		running := js.Phase == v1alpha1.Running
		c.holds = c.holds || running
		if running && js.Child == "" {
			c.running++
		}
		g := groupClaim{group: js.ResourceGroup, job: js.Name, running: running, played: !js.Manual || js.By != ""}
		if js.QueuedAt != nil && !running {
			g.ready, g.since = true, js.QueuedAt.Time
			if c.since.IsZero() || g.since.Before(c.since) {
				c.since = g.since
			}
		}
		if g.group != "" {
			c.groups = append(c.groups, g)
		} else if g.ready {
			c.ready = append(c.ready, g.since)
		}
	}
	if !open {
		return nil
	}
	c.wants = c.counted && !c.holds && !c.since.IsZero()
	return c
}

// put what a run has and wants now, and wake those that wait if it gave something up.
// mu is held.
func (t *turns) put(k types.NamespacedName, c *claim) {
	old := t.runs[k]
	if c == nil {
		delete(t.runs, k)
	} else {
		t.runs[k] = c
	}
	if old == nil || !freed(old, c) {
		return
	}
	for other, o := range t.runs {
		if other != k && !o.since.IsZero() && t.wake != nil {
			t.wake(other)
		}
	}
}

func freed(old, c *claim) bool {
	if c == nil {
		return old.holds || !old.since.IsZero()
	}
	return old.holds && !c.holds || old.wants && !c.wants || old.running > c.running ||
		len(old.groups) > len(c.groups) || len(old.ready) > len(c.ready)
}

// forget a run that was deleted.
func (t *turns) forget(k types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(k, nil)
}

// fill from all runs, once.
func (t *turns) fill(list func() ([]v1alpha1.Run, error)) error {
	if t.runs != nil {
		return nil
	}
	items, err := list()
	if err != nil {
		return err
	}
	t.runs = map[types.NamespacedName]*claim{}
	for i := range items {
		if c := claimOf(&items[i]); c != nil {
			t.runs[c.key] = c
		}
	}
	return nil
}

// turn of one run to decide; turns.mu is held while there is one.
type turn struct {
	*turns
	run *v1alpha1.Run
	me  *claim
	// limits: of runs of the repository, of all runs, of all jobs; 0 is none.
	repoRuns, allRuns, allJobs int
	modes                      map[string]v1alpha1.ProcessMode
	// place: the run has one, or got one in this turn. full: there was none.
	place bool
	full  string
	// jobs that were begun in this turn; noJobs: the limit of jobs was met.
	begun  int
	noJobs string
	groups map[string]bool
}

// grant says whether a job of the run may start now, and if not leaves the reason.
func (t *turn) grant(js *v1alpha1.JobStatus, job *plan.Job) bool {
	why := t.refuse(js, job)
	if why != "" {
		js.Message = why
		return false
	}
	js.Message = ""
	if js.ResourceGroup != "" {
		t.groups[js.ResourceGroup] = true
	}
	if job.Trigger == nil {
		t.begun++
	}
	return true
}

func (t *turn) refuse(js *v1alpha1.JobStatus, job *plan.Job) string {
	if !t.place && t.full == "" {
		t.full = t.askPlace()
		t.place = t.full == ""
		t.run.Status.Queued = t.full
	}
	if !t.place {
		return t.full
	}
	if js.ResourceGroup != "" {
		if why := t.askGroup(js); why != "" {
			return why
		}
	}
	if job.Trigger != nil || t.allJobs == 0 {
		return ""
	}
	if t.noJobs == "" {
		t.noJobs = t.askJob(js)
	}
	return t.noJobs
}

// askPlace among the running runs. Repositories take turns: the one with the fewest
// runs is next, and within it the run that waits longest. A repository that has all
// that it may have is passed over, so that its queue is its own.
func (t *turn) askPlace() string {
	if !t.me.counted || t.me.holds || t.repoRuns == 0 && t.allRuns == 0 {
		return ""
	}
	since := t.me.since
	if since.IsZero() {
		since = now().Time
	}
	running, total := map[types.NamespacedName]int{}, 0
	waiting := map[types.NamespacedName][]waiter{t.me.repo: {{t.me.key, since, t.me.sequence}}}
	for k, c := range t.runs {
		switch {
		case k == t.me.key || !c.counted:
		case c.holds:
			running[c.repo]++
			total++
		case c.wants:
			waiting[c.repo] = append(waiting[c.repo], waiter{k, c.since, c.sequence})
		}
	}
	sortWaiters(waiting)
	mine := slices.IndexFunc(waiting[t.me.repo], func(w waiter) bool { return w.key == t.me.key })
	if free := t.repoRuns - running[t.me.repo]; t.repoRuns > 0 && mine >= free {
		return fmt.Sprintf("%s in the queue: repository %s runs %d of %d", ordinal(mine-max(free, 0)+1), t.me.repo.Name, running[t.me.repo], t.repoRuns)
	}
	if t.allRuns == 0 {
		return ""
	}
	if place := inTurn(waiting, running, t.me.key); place >= t.allRuns-total {
		return fmt.Sprintf("%s in the queue: the server runs %d of %d", ordinal(place-max(t.allRuns-total, 0)+1), total, t.allRuns)
	}
	return ""
}

// askJob among the running jobs, repositories in turn.
func (t *turn) askJob(js *v1alpha1.JobStatus) string {
	since := now().Time
	if js.QueuedAt != nil {
		since = js.QueuedAt.Time
	}
	running, total := map[types.NamespacedName]int{t.me.repo: t.begun}, t.begun
	waiting := map[types.NamespacedName][]waiter{t.me.repo: {{t.me.key, since, t.me.sequence}}}
	for k, c := range t.runs {
		running[c.repo] += c.running
		total += c.running
		if k == t.me.key || c.wants {
			continue // its own jobs are asked for in order; one without a place does not compete
		}
		for _, at := range c.ready {
			waiting[c.repo] = append(waiting[c.repo], waiter{k, at, c.sequence})
		}
	}
	sortWaiters(waiting)
	if place := inTurn(waiting, running, t.me.key); place >= t.allJobs-total {
		return fmt.Sprintf("%s in the queue of jobs: the server runs %d of %d", ordinal(place-max(t.allJobs-total, 0)+1), total, t.allJobs)
	}
	return ""
}

type waiter struct {
	key      types.NamespacedName
	since    time.Time
	sequence int64
}

func sortWaiters(queues map[types.NamespacedName][]waiter) {
	for _, q := range queues {
		slices.SortFunc(q, func(a, b waiter) int {
			if n := a.since.Compare(b.since); n != 0 {
				return n
			}
			if a.sequence != b.sequence {
				return int(a.sequence - b.sequence)
			}
			return compareKeys(a.key, b.key)
		})
	}
}

func compareKeys(a, b types.NamespacedName) int {
	if a.String() < b.String() {
		return -1
	}
	if a == b {
		return 0
	}
	return 1
}

// inTurn is how many are before me when the repository with the fewest running goes
// first each time, and of equal ones that whose first has waited longest.
func inTurn(queues map[types.NamespacedName][]waiter, running map[types.NamespacedName]int, me types.NamespacedName) int {
	count, taken := maps.Clone(running), map[types.NamespacedName]int{}
	for place := 0; ; place++ {
		var next types.NamespacedName
		found := false
		for repo, q := range queues {
			if taken[repo] == len(q) {
				continue
			}
			a, b := q[taken[repo]], waiter{}
			if found {
				b = queues[next][taken[next]]
			}
			if !found || count[repo] < count[next] || count[repo] == count[next] && (a.since.Before(b.since) || a.since.Equal(b.since) && compareKeys(repo, next) < 0) {
				next, found = repo, true
			}
		}
		if !found {
			return place
		}
		if queues[next][taken[next]].key == me {
			return place
		}
		taken[next]++
		count[next]++
	}
}

func ordinal(n int) string {
	suffix := "th"
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		suffix = "st"
	case n%10 == 2:
		suffix = "nd"
	case n%10 == 3:
		suffix = "rd"
	}
	return fmt.Sprintf("%d%s", n, suffix)
}
