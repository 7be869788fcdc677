package release

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// promotions is a world with an application staging, whose releases 1 (healthy), 2
// (healthy) and 3 (failed) are of the commits c1 to c3, and one that they go to.
func promotions(t *testing.T, policy v1alpha1.PromotionPolicy) (*world, *Promotions) {
	t.Helper()
	w := newWorld(t)
	w.create("staging", v1alpha1.ApplicationSpec{Sync: "pipeline"})
	w.create("prod", v1alpha1.ApplicationSpec{Sync: "manual", Lifecycle: v1alpha1.Lifecycle{Promotion: &policy}})
	w.cluster.health["v3"] = "Failed"
	for n := int64(1); n <= 3; n++ {
		w.version(fmt.Sprint("v", n))
		w.edit("staging", func(s *v1alpha1.ApplicationSpec) {
			s.Desired = &v1alpha1.Desired{Commit: fmt.Sprint("c", n), Sequence: n, Run: fmt.Sprint("run-", n),
				Images: []v1alpha1.Image{{Name: "shop", Digest: fmt.Sprint("sha256:", n), Commit: fmt.Sprint("c", n)}}}
		})
		w.settleAll("staging")
	}
	return w, &Promotions{Client: w.client, Reader: w.client, Log: slog.New(slog.DiscardHandler), Now: w.r.Now}
}

func (w *world) promotion(p *Promotions, name string) *v1alpha1.Promotion {
	w.t.Helper()
	_, err := p.Reconcile(context.Background(), requestOf(name))
	require.NoError(w.t, err)
	got := &v1alpha1.Promotion{}
	require.NoError(w.t, w.client.Get(context.Background(), keyOf(name), got))
	return got
}

func TestPromotionWithoutApproval(t *testing.T) {
	ctx := context.Background()
	w, p := promotions(t, v1alpha1.PromotionPolicy{From: "staging"})
	made, err := p.Promote(ctx, "default", "staging", "prod", 0, "ann")
	require.NoError(t, err)
	require.Equal(t, "prod-p1", made.Name)
	require.EqualValues(t, 2, made.Spec.Release, "the last healthy one")
	got := w.promotion(p, made.Name)
	require.Equal(t, v1alpha1.PromotionPromoted, got.Status.Phase, got.Status.Message)
	w.version("v2")
	w.settleAll("prod")
	rel := &v1alpha1.Release{}
	require.NoError(t, w.client.Get(ctx, keyOf("prod-1"), rel))
	require.Equal(t, v1alpha1.ReleaseHealthy, rel.Status.Result)
	d := rel.Spec.Desired
	require.Equal(t, "c2 sha256:2 c2 run-2 ann promotion prod-p1", fmt.Sprint(d.Commit, " ", d.Images[0].Digest, " ", d.Images[0].Commit, " ", d.Run, " ", d.By, " ", d.Cause, " ", d.Promotion))

	// An older one is not promoted over a newer one; after that one failed, it is.
	older, err := p.Promote(ctx, "default", "staging", "prod", 1, "ann")
	require.NoError(t, err)
	got = w.promotion(p, older.Name)
	require.Equal(t, "Refused: a newer value, commit c2, is desired of prod already; go back with `slipway app rollback prod`", fmt.Sprint(got.Status.Phase, ": ", got.Status.Message))
	app := w.named("prod")
	app.Status.Refused = app.Spec.Desired.DeepCopy()
	require.NoError(t, w.client.Status().Update(ctx, app))
	older, err = p.Promote(ctx, "default", "staging", "prod", 1, "ann")
	require.NoError(t, err)
	require.Equal(t, v1alpha1.PromotionPromoted, w.promotion(p, older.Name).Status.Phase)
	require.Equal(t, "c1", w.named("prod").Spec.Desired.Commit)
	require.NoError(t, (&Reconciler{Client: w.client, Reader: w.client, Log: p.Log}).Sync(ctx, "default", "prod", "ann"), "the head of the branch is not its to take")
	require.Equal(t, "c1", w.named("prod").Spec.Desired.Commit)
}

func TestPromotionsThatAreRefusedAtOnce(t *testing.T) {
	w, p := promotions(t, v1alpha1.PromotionPolicy{From: "staging"})
	w.create("other", v1alpha1.ApplicationSpec{Source: v1alpha1.Source{Repository: "elsewhere"}, Sync: "manual", Lifecycle: v1alpha1.Lifecycle{Promotion: &v1alpha1.PromotionPolicy{From: "staging"}}})
	w.create("pushed", v1alpha1.ApplicationSpec{Sync: "push", Lifecycle: v1alpha1.Lifecycle{Promotion: &v1alpha1.PromotionPolicy{From: "staging"}}})
	w.create("empty", v1alpha1.ApplicationSpec{})
	w.create("none", v1alpha1.ApplicationSpec{Sync: "manual", Lifecycle: v1alpha1.Lifecycle{Promotion: &v1alpha1.PromotionPolicy{From: "empty"}}})
	for _, c := range []struct {
		from, to string
		release  int64
		want     string
	}{
		{"staging", "prod", 3, "release 3 is Failed; only what was healthy there is promoted"},
		{"staging", "prod", 7, "release 7 is not in the history"},
		{"staging", "empty", 1, "application empty takes no promotions; set its spec.promotion.from to staging"},
		{"empty", "prod", 1, "takes promotions from staging, not from empty"},
		{"staging", "other", 1, "other follows repository elsewhere, and staging follows hello"},
		{"staging", "pushed", 1, `its sync is "push", which would overwrite what is promoted`},
		{"empty", "none", 0, "application empty: no release was healthy yet"},
		{"staging", "nowhere", 1, "not found"},
	} {
		_, err := p.Promote(context.Background(), "default", c.from, c.to, c.release, "ann")
		require.ErrorContains(t, err, c.want)
	}
	list, err := p.list(context.Background(), "default", "prod")
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestPromotionWaitsForApproval(t *testing.T) {
	ctx := context.Background()
	w, p := promotions(t, v1alpha1.PromotionPolicy{From: "staging", Approvals: 2, Approvers: &v1alpha1.Approvers{Users: []string{"bob", "ann"}, Groups: []string{"leads"}}})
	_, err := p.Promote(ctx, "default", "staging", "prod", 2, "ann")
	require.NoError(t, err)
	got := w.promotion(p, "prod-p1")
	require.Equal(t, "Pending: waits for 2 of 2 approvals; `slipway app approve prod`", fmt.Sprint(got.Status.Phase, ": ", got.Status.Message))
	require.Nil(t, w.named("prod").Spec.Desired)

	for who, want := range map[*Person]string{
		{Name: "ann"}: "ann asked for it; somebody else has to approve it",
		{Name: "eve", Groups: []string{"interns"}}: "eve is not among the approvers of application prod: bob, ann, leads",
	} {
		require.ErrorContains(t, p.Approve(ctx, "default", "prod-p1", *who), want)
	}
	require.NoError(t, p.Approve(ctx, "default", "prod-p1", Person{Name: "bob"}))
	require.ErrorContains(t, p.Approve(ctx, "default", "prod-p1", Person{Name: "bob"}), "bob has approved it already")
	require.Contains(t, w.promotion(p, "prod-p1").Status.Message, "waits for 1 of 2")

	// The server restarts; the release that it is of has been trimmed meanwhile.
	again := *p
	p = &again
	rel := &v1alpha1.Release{}
	require.NoError(t, w.client.Get(ctx, keyOf("staging-2"), rel))
	require.NoError(t, w.client.Delete(ctx, rel))
	name, err := p.Pending(ctx, "default", "prod")
	require.NoError(t, err)
	require.NoError(t, p.Approve(ctx, "default", name, Person{Name: "eve", Groups: []string{"leads"}}))
	// Killed after it is desired, before the promotion says so.
	w.failAt = w.writes + 2
	_, err = p.Reconcile(ctx, requestOf(name))
	require.ErrorIs(t, err, errKilled)
	require.Equal(t, "c2", w.named("prod").Spec.Desired.Commit)
	got = w.promotion(p, name)
	require.Equal(t, v1alpha1.PromotionPromoted, got.Status.Phase)
	require.Equal(t, []string{"bob", "eve"}, []string{got.Status.Approvals[0].By, got.Status.Approvals[1].By})
	require.ErrorContains(t, p.Approve(ctx, "default", name, Person{Name: "kim"}), "is Promoted already")
	_, err = p.Pending(ctx, "default", "prod")
	require.ErrorContains(t, err, "no promotion waits")
}

func TestPendingPromotionsEnd(t *testing.T) {
	ctx := context.Background()
	w, p := promotions(t, v1alpha1.PromotionPolicy{From: "staging", Approvals: 1})
	for _, n := range []int64{1, 2, 2, 2} {
		_, err := p.Promote(ctx, "default", "staging", "prod", n, "ann")
		require.NoError(t, err)
	}
	for n := 1; n <= 4; n++ {
		require.Equal(t, v1alpha1.PromotionPending, w.promotion(p, fmt.Sprint("prod-p", n)).Status.Phase)
	}
	_, err := p.Pending(ctx, "default", "prod")
	require.ErrorContains(t, err, "name one of prod-p4, prod-p3, prod-p2, prod-p1")
	require.NoError(t, p.Reject(ctx, "default", "prod-p2", Person{Name: "bob"}))
	got := w.promotion(p, "prod-p2")
	require.Equal(t, "Rejected by bob", fmt.Sprint(got.Status.Phase, " by ", got.Status.RejectedBy))
	require.NoError(t, p.Approve(ctx, "default", "prod-p3", Person{Name: "bob"}))
	require.Equal(t, v1alpha1.PromotionPromoted, w.promotion(p, "prod-p3").Status.Phase)
	got = w.promotion(p, "prod-p1")
	require.Equal(t, v1alpha1.PromotionRefused, got.Status.Phase, "overtaken")

	// The policy changes: fewer approvals count at once, and another source ends it.
	w.edit("prod", func(s *v1alpha1.ApplicationSpec) { s.Promotion.Approvals = 0 })
	require.Equal(t, v1alpha1.PromotionPromoted, w.promotion(p, "prod-p4").Status.Phase)
	w.edit("prod", func(s *v1alpha1.ApplicationSpec) { s.Promotion.Approvals = 1 })
	_, err = p.Promote(ctx, "default", "staging", "prod", 2, "ann")
	require.NoError(t, err)
	w.promotion(p, "prod-p5")
	w.edit("prod", func(s *v1alpha1.ApplicationSpec) { s.Promotion.From = "elsewhere" })
	require.Contains(t, w.promotion(p, "prod-p5").Status.Message, "takes no promotions from staging any more")

	// One that a person made by hand, past the checks of Promote.
	require.NoError(t, w.client.Create(ctx, &v1alpha1.Promotion{ObjectMeta: metaOf("by-hand"), Spec: v1alpha1.PromotionSpec{From: "staging", To: "prod", Release: 3, By: "ann"}}))
	got = w.promotion(p, "by-hand")
	require.Equal(t, v1alpha1.PromotionRefused, got.Status.Phase)
	require.NoError(t, client.IgnoreNotFound(w.client.Delete(ctx, got)))
}

// Threat 12: what a fork's pipeline built is deployed nowhere.
func TestFollowersOfARef(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	for name, labels := range map[string]map[string]string{
		"b": {v1alpha1.LabelApplicationSet: "set"}, "a": {v1alpha1.LabelApplicationSet: "set"},
		"stranger": {v1alpha1.LabelApplicationSet: "set", v1alpha1.LabelUntrusted: "true"}, "no-preview": {},
	} {
		labels[v1alpha1.LabelRepository] = "hello"
		require.NoError(t, w.client.Create(ctx, &v1alpha1.Application{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels, Annotations: map[string]string{v1alpha1.AnnotationRef: "refs/heads/x"}},
			Spec:       v1alpha1.ApplicationSpec{Source: v1alpha1.Source{Repository: "hello"}, Sync: "pipeline"},
		}))
	}
	for name, spec := range map[string]v1alpha1.ApplicationSpec{
		"one":       {Source: v1alpha1.Source{Revision: v1alpha1.Revision{Semver: "1.x"}}, Sync: "pipeline"},
		"ahead":     {Source: v1alpha1.Source{Revision: v1alpha1.Revision{Semver: "1.x"}}, Sync: "pipeline", Desired: &v1alpha1.Desired{Commit: "c", Revision: "refs/tags/v1.9.0"}},
		"exact":     {Source: v1alpha1.Source{Revision: v1alpha1.Revision{Tag: "v1.2.0"}}, Sync: "pipeline"},
		"by-push":   {Source: v1alpha1.Source{Revision: v1alpha1.Revision{Tag: "v1.2.0"}}, Sync: "push"},
		"elsewhere": {Source: v1alpha1.Source{Repository: "other", Revision: v1alpha1.Revision{Tag: "v1.2.0"}}, Sync: "pipeline"},
	} {
		if spec.Source.Repository == "" {
			spec.Source.Repository = "hello"
		}
		require.NoError(t, w.client.Create(ctx, &v1alpha1.Application{ObjectMeta: metaOf(name), Spec: spec}))
	}
	d := &Deployer{Client: w.client}
	for ref, want := range map[string][2][]string{
		"refs/heads/x":     {{"a", "b"}, nil},
		"refs/heads/y":     {},
		"refs/tags/v1.2.0": {{"exact", "one"}, {"ahead follows tags 1.x, of which it has v1.9.0"}},
		"refs/tags/v2.0.0": {nil, {"ahead follows tags 1.x", "exact follows tag v1.2.0", "one follows tags 1.x"}},
	} {
		names, others, err := d.Followers(ctx, "default", "hello", ref, "c")
		require.NoError(t, err)
		require.Equal(t, want, [2][]string{names, others}, ref)
	}
	for name, want := range map[string]string{"one": "follows tags 1.x", "no-preview": "", "not-there": ""} {
		why, err := d.Follows(ctx, "default", name, "refs/heads/main", "c")
		require.NoError(t, err)
		require.Equal(t, want, why, name)
	}

	// Past what the job asks first, nothing else than what is followed is written.
	source := v1alpha1.Source{Repository: "hello"}
	require.ErrorContains(t, d.Deploy(ctx, "default", "exact", source, v1alpha1.Desired{Commit: "main", Sequence: 9}), "it follows tag v1.2.0; commit main is not of that")
	require.NoError(t, d.Deploy(ctx, "default", "one", source, v1alpha1.Desired{Commit: "c1", Sequence: 9, Revision: "refs/tags/v1.1.1"}))
	// A higher tag whose pipeline took longer than that of a lower one that came later.
	require.NoError(t, d.Deploy(ctx, "default", "one", source, v1alpha1.Desired{Commit: "c2", Sequence: 8, Revision: "refs/tags/v1.2.0"}))
	require.ErrorContains(t, d.Deploy(ctx, "default", "one", source, v1alpha1.Desired{Commit: "c0", Sequence: 7, Revision: "refs/tags/v1.2.0"}), "update 8 is already desired")
}
