package git

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// StillOpen asks the forge of a repository for the state of a merge request, and when it
// last changed. It is for forges whose token the repository names.
type StillOpen func(ctx context.Context, repo *v1alpha1.Repository, number int64) (state string, updated time.Time, err error)

const (
	// askedEvery is how often a forge is asked of one merge request.
	askedEvery = 10 * time.Minute
	// askedAtOnce of one repository.
	askedAtOnce = 10
)

// askForge looks after merge requests whose end no webhook told of and no branch shows: a
// few at each look, those first that were not asked of for the longest. A forge that does
// not answer is left alone for as long.
func (r *Reconciler) askForge(ctx context.Context, repo *v1alpha1.Repository) {
	if r.StillOpen == nil || repo.Spec.Forge == nil {
		return
	}
	key := client.ObjectKeyFromObject(repo)
	due := r.dueRequests(key, repo.Status.MergeRequests, time.Now())
	for i, m := range due {
		state, updated, err := r.StillOpen(ctx, repo, m.Number)
		if err == nil && state != v1alpha1.MergeRequestOpened {
			m.State, m.Updated = state, metav1.NewTime(updated)
			_, err = r.MergeRequest(ctx, repo.Namespace, repo.Name, m)
		}
		if err != nil {
			if ctx.Err() == nil {
				r.Host.Log.Warn("merge request not asked for", "namespace", repo.Namespace, "repository", repo.Name, "number", m.Number, "error", err)
			}
			r.asked(key, due[i:])
			return
		}
		r.asked(key, due[i:i+1])
	}
}

func (r *Reconciler) asked(key types.NamespacedName, of []v1alpha1.MergeRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.state(key); p.asked != nil {
		for _, m := range of {
			p.asked[m.Number] = time.Now()
		}
	}
}

// dueRequests are those that are open and were not asked of lately. What was just told by
// a webhook counts as asked.
func (r *Reconciler) dueRequests(key types.NamespacedName, all []v1alpha1.MergeRequest, now time.Time) (due []v1alpha1.MergeRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.state(key)
	before := p.asked
	p.asked = map[int64]time.Time{}
	for _, m := range all {
		if !m.Open() {
			continue
		}
		at := before[m.Number]
		if m.Seen != nil && m.Seen.After(at) {
			at = m.Seen.Time
		}
		p.asked[m.Number] = at
		if now.Sub(at) >= askedEvery {
			due = append(due, m)
		}
	}
	slices.SortStableFunc(due, func(a, b v1alpha1.MergeRequest) int { return p.asked[a.Number].Compare(p.asked[b.Number]) })
	return due[:min(len(due), askedAtOnce)]
}
