package git

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// keepClosed is how long a merge request that is over stays in the status.
const keepClosed = time.Hour

// MergeRequest brings what a forge tells of one into Repository.status, before the
// repository is looked at. Its commit is not believed: that comes with the look. The
// answer says what was done, or why nothing was.
func (r *Reconciler) MergeRequest(ctx context.Context, ns, name string, told v1alpha1.MergeRequest) (string, error) {
	if !ValidRef("refs/heads/"+told.Source) || !ValidRef("refs/heads/"+told.Target) {
		return fmt.Sprintf("merge request %d: a branch of this name is not taken", told.Number), nil
	}
	r.Host.init()
	m := r.Host.lock(ns, name)
	m.Lock()
	defer m.Unlock()
	var message string
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var repo v1alpha1.Repository
		err := r.Host.Reader.Get(ctx, client.ObjectKey{Namespace: ns, Name: name}, &repo)
		if apierrors.IsNotFound(err) {
			message = "the repository is gone"
			return nil
		}
		if err != nil {
			return err
		}
		if repo.Spec.URL == "" {
			message = "the repository is hosted here, where there are no merge requests"
			return nil
		}
		now := metav1.Now()
		var changed bool
		if message, changed = tell(&repo.Status, told, now); !changed {
			return nil
		}
		bound(&repo.Status, now.Time)
		return r.Host.Client.Status().Update(ctx, &repo)
	})
	if err != nil {
		return "", fmt.Errorf("repository %s: merge request %d: %w", name, told.Number, err)
	}
	return message, nil
}

// tell the status of what a forge says. What it said later stands.
func tell(st *v1alpha1.RepositoryStatus, told v1alpha1.MergeRequest, now metav1.Time) (message string, changed bool) {
	what := fmt.Sprintf("merge request %d is %s", told.Number, told.State)
	have := st.MergeRequest(told.Number)
	switch {
	case have == nil && !told.Open():
		return what + ", and was not followed", false
	case have == nil:
		told.Commit, told.Before, told.Sequence, told.Seen, told.Message = "", "", 0, &now, ""
		st.MergeRequests = append(st.MergeRequests, told)
		return what, true
	case told.Updated.Before(&have.Updated), told.Updated.Equal(&have.Updated) && told.Open() && !have.Open():
		return fmt.Sprintf("merge request %d: the forge has told something newer", told.Number), false
	}
	next := told
	next.Commit, next.Before, next.Sequence, next.Seen, next.Message = have.Commit, have.Before, have.Sequence, have.Seen, have.Message
	// Once it was of strangers, it stays so: a fork that is gone has no name.
	if next.Fork = told.Fork || have.Fork; next.Fork && next.SourceProject == "" {
		next.SourceProject = have.SourceProject
	}
	if next.State != have.State {
		next.Seen = &now
	}
	if next.Open() && (!have.Open() || next.Target != have.Target) {
		next.Sequence = 0 // what it would come to is to be tried again
	}
	if next == *have {
		return what + ", which is known", false
	}
	*have = next
	return what, true
}

// bound the list: what is over goes after a while, and of those that are open the ones
// that nothing was heard of for the longest.
func bound(st *v1alpha1.RepositoryStatus, now time.Time) {
	slices.SortFunc(st.MergeRequests, func(a, b v1alpha1.MergeRequest) int { return b.Updated.Compare(a.Updated.Time) })
	open, over := 0, 0
	st.MergeRequests = slices.DeleteFunc(st.MergeRequests, func(m v1alpha1.MergeRequest) bool {
		if m.Open() {
			open++
			return open > v1alpha1.MaxMergeRequests
		}
		over++
		return over > v1alpha1.MaxMergeRequests || m.Seen == nil || now.Sub(m.Seen.Time) > keepClosed
	})
	slices.SortFunc(st.MergeRequests, func(a, b v1alpha1.MergeRequest) int { return int(a.Number - b.Number) })
	if len(st.MergeRequests) == 0 {
		st.MergeRequests = nil
	}
}

// follow the merge requests of a repository elsewhere after a look at it.
func (h *Host) follow(ctx context.Context, repo *v1alpha1.Repository, updates []Update, now time.Time) error {
	st := &repo.Status
	if len(st.MergeRequests) == 0 {
		return nil
	}
	heads, err := h.heads(ctx, repo.Namespace, repo.Name, st.MergeRequests)
	if err != nil {
		return err
	}
	moves := map[string]move{}
	for _, u := range updates {
		into := func(m v1alpha1.MergeRequest) bool { return m.Open() && "refs/heads/"+m.Target == u.Ref }
		if u.Before == "" || u.Commit == "" || !slices.ContainsFunc(st.MergeRequests, into) {
			continue
		}
		if moves[u.Ref], err = h.moved(ctx, repo.Namespace, repo.Name, u); err != nil {
			h.Log.Warn("commits of a push not read", "namespace", repo.Namespace, "repository", repo.Name, "ref", u.Ref, "error", err)
		}
	}
	advance(st, heads, updates, moves, now)
	return nil
}

// advance the merge requests of the status to the heads that are here: by ref, or where
// the forge has none for them, by their branch. One whose branch went with these
// updates, or whose head came into its target, is over, whether or not a webhook said so.
func advance(st *v1alpha1.RepositoryStatus, heads map[string]string, updates []Update, moves map[string]move, now time.Time) {
	for i := range st.MergeRequests {
		m := &st.MergeRequests[i]
		if !m.Open() {
			continue
		}
		branch := "refs/heads/" + m.Source
		if why := over(m, branch, updates, moves); why != "" {
			m.State, m.Seen = why, &metav1.Time{Time: now}
			continue
		}
		commit := heads[v1alpha1.MergeRequestRef(m.Number)]
		if commit == "" && !m.Fork {
			commit = st.Refs[branch].Commit
		}
		switch {
		case commit == "" && m.Fork:
			m.Message = "its commits are in a fork, and the forge shows them nowhere in this repository"
		case commit == "":
			m.Message = fmt.Sprintf("branch %s is not here", m.Source)
		case commit != m.Commit || m.Sequence == 0:
			st.Sequence++
			if commit != m.Commit {
				m.Before = m.Commit
			}
			m.Commit, m.Sequence, m.Message, m.Seen = commit, st.Sequence, "", &metav1.Time{Time: now}
		}
	}
	bound(st, now)
}

// over is the state that follows from what became of the branches; empty: it is open.
func over(m *v1alpha1.MergeRequest, branch string, updates []Update, moves map[string]move) string {
	if m.Commit == "" {
		return ""
	}
	if moves["refs/heads/"+m.Target].brought[m.Commit] {
		return v1alpha1.MergeRequestMerged
	}
	gone := func(u Update) bool { return u.Ref == branch && u.Commit == "" }
	if !m.Fork && slices.ContainsFunc(updates, gone) {
		return v1alpha1.MergeRequestClosed
	}
	return ""
}

// forgeRefs are where forges keep the head of merge request N.
var forgeRefs = []string{"refs/pull/%d/head", "refs/merge-requests/%d/head", "refs/pull-requests/%d/from"}

// wantedHeads are the heads of open merge requests, by their names at the forge. They
// are read past the cache: a webhook has just written one.
func (r *Reconciler) wantedHeads(ctx context.Context, key client.ObjectKey) (map[string]string, error) {
	var repo v1alpha1.Repository
	if err := r.Host.Reader.Get(ctx, key, &repo); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i := range repo.Status.MergeRequests {
		if m := &repo.Status.MergeRequests[i]; m.Open() {
			for _, form := range forgeRefs {
				out[fmt.Sprintf(form, m.Number)] = v1alpha1.MergeRequestRef(m.Number)
			}
		}
	}
	return out, nil
}

// heads of merge requests that are on disk: commits by full name.
func (s *Store) heads(ctx context.Context, ns, repo string, of []v1alpha1.MergeRequest) (map[string]string, error) {
	if len(of) == 0 {
		return nil, nil
	}
	return again(s, ns, repo, func() (map[string]string, error) {
		r, err := s.open(ctx, ns, repo)
		if err != nil {
			return nil, err
		}
		out := map[string]string{}
		for i := range of {
			name := v1alpha1.MergeRequestRef(of[i].Number)
			ref, err := r.Storer.Reference(plumbing.ReferenceName(name))
			if err != nil {
				continue // the forge has no such ref, or it is to be fetched
			}
			if c, err := r.CommitObject(ref.Hash()); err == nil {
				out[name] = c.Hash.String()
			}
		}
		return out, nil
	})
}
