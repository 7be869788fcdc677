package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/refs"
	"slipway.dev/gitops/revision"
)

// MaxRefs is how many branches and tags of a repository are recorded.
const MaxRefs = 2000

// Update is one change of a ref that was recorded.
type Update struct {
	Ref string
	// Before and Commit are full object names; empty for a ref that is new or gone.
	Before, Commit string
	Sequence       int64
	// NoRun says why it starts no run; empty: it does.
	NoRun string
}

// record brings Repository.status up to the refs on disk in one write. Only refs
// that take accepts (by name and object name, zeros for a deletion) are changed; nil
// takes all. It returns what changed.
func (h *Host) record(ctx context.Context, ns, name, via, by string, take func(ref, hash string) bool) ([]Update, error) {
	h.init()
	m := h.lock(ns, name)
	m.Lock()
	defer m.Unlock()
	var updates []Update
	var repo v1alpha1.Repository
	var notes []said
	backoff := wait.Backoff{Steps: 12, Duration: 10 * time.Millisecond, Factor: 1.6, Jitter: 0.3}
	err := retry.RetryOnConflict(backoff, func() error {
		repo = v1alpha1.Repository{}
		if err := h.Reader.Get(ctx, client.ObjectKey{Namespace: ns, Name: name}, &repo); err != nil {
			return err
		}
		all, err := h.refs(ctx, ns, name)
		if err != nil {
			return err
		}
		// A push says what it has to before its refs change, and is heard after.
		if notes, err = h.heard(ns, name); err != nil {
			return err
		}
		before := repo.Status.DeepCopy()
		shown := shown(&repo, all)
		updates = apply(&repo.Status, shown, via, by, take, time.Now())
		repo.Status.Overtaken = overtaken(before, repo.Status.Refs, repo.RunsThrough())
		repo.Status.DefaultBranch, err = h.defaultBranch(&repo, all)
		if err != nil {
			return err
		}
		h.annotate(ctx, &repo, shown, updates, notes)
		if looked(via) {
			now := metav1.Now()
			repo.Status.LastPolled, repo.Status.Polling = &now, polling(&repo, via, len(updates) > 0, now.Time)
			if err := h.follow(ctx, &repo, updates, now.Time); err != nil {
				return err
			}
		}
		ready(&repo, metav1.ConditionTrue, "Stored", readyText(&repo))
		if equality.Semantic.DeepEqual(before, &repo.Status) {
			return nil
		}
		return h.Client.Status().Update(ctx, &repo)
	})
	if err != nil {
		return nil, fmt.Errorf("repository %s: record refs: %w", name, err)
	}
	h.announce(&repo, updates)
	if take == nil {
		forget(notes)
	}
	return updates, nil
}

// overtaken are the updates without a run that the refs do not have any more: those that
// were left over before, and those that were there until now. Whoever pushed them was told
// the address of a run.
func overtaken(before *v1alpha1.RepositoryStatus, now map[string]v1alpha1.RefStatus, through int64) (left []v1alpha1.RefUpdate) {
	for _, u := range before.Overtaken {
		if u.Sequence > through {
			left = append(left, u)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.Refs)) {
		if old := before.Refs[name]; old.Sequence > through && now[name].Sequence != old.Sequence {
			left = append(left, v1alpha1.RefUpdate{Ref: name, RefStatus: old})
		}
	}
	slices.SortStableFunc(left, func(a, b v1alpha1.RefUpdate) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return left[max(0, len(left)-maxOvertaken):]
}

// maxOvertaken is what an object has room for. Pushes are refused long before; updates of
// other repositories are looked for every now and then only.
const maxOvertaken = 5 * v1alpha1.MaxOvertaken

// shown is the part of the refs that is recorded: what the filters of the repository
// take, as far as it fits.
func shown(repo *v1alpha1.Repository, all map[string]ref) map[string]ref {
	out := make(map[string]ref, len(all))
	for name, r := range all {
		if refs.Watched(&repo.Spec, name) {
			out[name] = r
		}
	}
	return visible(out)
}

// looked says whether via means that we looked at a remote, for whatever reason.
func looked(via string) bool { return via != "push" }

// apply numbers what changed. The first look at a mirror has a number for its
// default branch only, so that old branches and tags do not all start to run.
func apply(st *v1alpha1.RepositoryStatus, refs map[string]ref, via, by string, take func(ref, hash string) bool, now time.Time) []Update {
	if st.Refs == nil {
		st.Refs = map[string]v1alpha1.RefStatus{}
	}
	first := len(st.Refs) == 0 && st.Sequence == 0 && looked(via)
	var only string
	if first {
		only = firstBranch(refs)
	}
	names := map[string]bool{}
	for n := range refs {
		names[n] = true
	}
	for n := range st.Refs {
		names[n] = true
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	sort.Strings(sorted)
	var updates []Update
	for _, n := range sorted {
		have, known := st.Refs[n]
		disk, there := refs[n]
		switch {
		case there && known && have.Commit == disk.commit:
			continue
		case there:
			if take != nil && !take(n, disk.hash) {
				continue
			}
			r := v1alpha1.RefStatus{Commit: disk.commit, Before: have.Commit, Seen: metav1.NewTime(now), Via: via, By: by}
			if !first || n == only {
				st.Sequence++
				r.Sequence = st.Sequence
				updates = append(updates, Update{Ref: n, Before: have.Commit, Commit: r.Commit, Sequence: r.Sequence})
			}
			st.Refs[n] = r
		default:
			if take != nil && !take(n, zeroHash) {
				continue
			}
			delete(st.Refs, n)
			st.Sequence++
			updates = append(updates, Update{Ref: n, Before: have.Commit, Sequence: st.Sequence})
		}
	}
	return updates
}

// visible is the part of the refs that fits into one object: branches before tags. Of the
// tags the highest versions are kept, as ranges follow those; what are no versions have up
// to half of the room, for those that sort last.
func visible(refs map[string]ref) map[string]ref {
	if len(refs) <= MaxRefs {
		return refs
	}
	var branches, tags []string
	for n := range refs {
		if tag, ok := strings.CutPrefix(n, "refs/tags/"); ok {
			tags = append(tags, tag)
		} else {
			branches = append(branches, n)
		}
	}
	slices.Sort(branches)
	names := branches[:min(len(branches), MaxRefs)]
	room := MaxRefs - len(names)
	versions, others := revision.Split(tags)
	few := min(len(others), max(room/2, room-len(versions)))
	for _, tag := range slices.Concat(others[:few], versions[:min(len(versions), room-few)]) {
		names = append(names, "refs/tags/"+tag)
	}
	out := make(map[string]ref, MaxRefs)
	for _, n := range names {
		out[n] = refs[n]
	}
	return out
}

// defaultBranch is what the spec says if it is there, then what HEAD names, then
// main or master, then the first branch that was pushed. HEAD follows it.
func (h *Host) defaultBranch(repo *v1alpha1.Repository, refs map[string]ref) (string, error) {
	dir, err := h.path(repo.Namespace, repo.Name)
	if err != nil {
		return "", err
	}
	head := headOf(dir)
	want := ""
	for _, c := range []string{"refs/heads/" + repo.Spec.DefaultBranch, head, "refs/heads/main", "refs/heads/master"} {
		if _, ok := refs[c]; ok && strings.HasPrefix(c, "refs/heads/") {
			want = c
			break
		}
	}
	if want == "" {
		lowest := int64(-1)
		for n, r := range repo.Status.Refs {
			if _, ok := refs[n]; ok && strings.HasPrefix(n, "refs/heads/") && (lowest < 0 || r.Sequence < lowest || r.Sequence == lowest && n < want) {
				want, lowest = n, r.Sequence
			}
		}
	}
	if want == "" {
		return "", nil
	}
	if want != head && ValidRef(want) {
		if err := setHead(dir, want); err != nil {
			return "", err
		}
	}
	return strings.TrimPrefix(want, "refs/heads/"), nil
}

// headOf a bare repository by its full name; empty where it cannot be read.
func headOf(dir string) string {
	raw, err := os.ReadFile(filepath.Join(dir, "HEAD"))
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(strings.TrimSpace(string(raw)), "ref: ")
}

func setHead(dir, ref string) error { return writeWhole(filepath.Join(dir, "HEAD"), "ref: "+ref+"\n") }

// firstBranch is the branch that a first look at a mirror acts on.
func firstBranch(refs map[string]ref) string {
	best := ""
	for n := range refs {
		if n == "refs/heads/main" || n == "refs/heads/master" && best != "refs/heads/main" {
			best = n
		} else if strings.HasPrefix(n, "refs/heads/") && (best == "" || best > n && best != "refs/heads/main" && best != "refs/heads/master") {
			best = n
		}
	}
	return best
}

func ready(repo *v1alpha1.Repository, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&repo.Status.Conditions, metav1.Condition{
		Type: "Ready", Status: status, Reason: reason, Message: clip(message, 1000), ObservedGeneration: repo.Generation,
	})
}

func readyText(repo *v1alpha1.Repository) string {
	if repo.Spec.URL != "" {
		return "mirror of " + publicURL(repo.Spec.URL)
	}
	return "hosted here"
}

// Start records what a crash left unrecorded, then goes on to do so now and then,
// and keeps the packs of the repositories few. It returns when ctx ends.
func (h *Host) Start(ctx context.Context) error {
	h.init()
	h.sweep()
	every := h.Interval
	if every <= 0 {
		every = time.Minute
	}
	t := time.NewTicker(every)
	defer t.Stop()
	var announcing sync.WaitGroup
	defer announcing.Wait()
	announcing.Go(func() { h.announcing(ctx) })
	for {
		if err := h.Reconcile(ctx); err != nil && ctx.Err() == nil {
			h.Log.Warn("repositories not reconciled; trying again soon", "error", err)
		}
		h.maintain(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-h.again:
			// Something did not reach the Kubernetes API a moment ago.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
	}
}

// Reconcile compares the refs on disk of every hosted repository with its status
// and records what is missing there. A push under way records its own.
func (h *Host) Reconcile(ctx context.Context) error {
	h.init()
	var list v1alpha1.RepositoryList
	if err := h.Client.List(ctx, &list); err != nil {
		return fmt.Errorf("list repositories: %w", err)
	}
	var errs []error
	for i := range list.Items {
		if err := h.ReconcileOne(ctx, &list.Items[i]); err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ReconcileOne does for one repository what Reconcile does for all.
func (h *Host) ReconcileOne(ctx context.Context, repo *v1alpha1.Repository) error {
	h.init()
	if repo.Spec.URL != "" || repo.DeletionTimestamp != nil || h.pushing(repo.Namespace, repo.Name) || !h.Has(repo.Namespace, repo.Name) {
		return nil
	}
	missing, err := h.unrecorded(ctx, repo)
	if err == nil && !missing {
		var notes []said
		if notes, err = h.heard(repo.Namespace, repo.Name); err == nil {
			missing = slices.ContainsFunc(notes, func(s said) bool { return s.left })
		}
	}
	if err == nil && missing {
		_, err = h.record(ctx, repo.Namespace, repo.Name, "push", "", nil)
	}
	return err
}

// unrecorded says whether the refs on disk differ from the status.
func (h *Host) unrecorded(ctx context.Context, repo *v1alpha1.Repository) (bool, error) {
	all, err := h.refs(ctx, repo.Namespace, repo.Name)
	if err != nil {
		return false, err
	}
	refs := shown(repo, all)
	if len(refs) != len(repo.Status.Refs) {
		return true, nil
	}
	for n, r := range refs {
		if repo.Status.Refs[n].Commit != r.commit {
			return true, nil
		}
	}
	return false, nil
}
