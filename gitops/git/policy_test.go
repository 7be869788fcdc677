package git

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// set changes the spec of a repository.
func (b *bench) set(repo string, change func(*v1alpha1.RepositorySpec)) {
	b.t.Helper()
	var r v1alpha1.Repository
	if err := b.client.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: repo}, &r); err != nil {
		b.t.Fatal(err)
	}
	change(&r.Spec)
	if err := b.client.Update(context.Background(), &r); err != nil {
		b.t.Fatal(err)
	}
}

// refsOf a repository as a client sees them.
func (b *bench) refsOf(repo string) string { return b.git("", "ls-remote", b.url(repo)) }

func noise(n int) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var out strings.Builder
	for out.Len() < n {
		out.WriteByte(byte(r.Uint32()))
	}
	return out.String()
}

func TestProtectedRefs(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main", "main:free", "main:release/1", "main:locked", "main:ops")
	b.git("w", "tag", "v1")
	b.git("w", "push", "-q", b.url("w"), "v1")
	b.set("w", func(s *v1alpha1.RepositorySpec) {
		s.Protect = []v1alpha1.ProtectRule{
			{Pattern: "main"}, {Pattern: "release/*", AllowForce: true}, {Pattern: "refs/tags/v*"},
			{Pattern: "locked", Pushers: &v1alpha1.Pushers{}, AllowForce: true, AllowDelete: true},
			{Pattern: "ops", Pushers: &v1alpha1.Pushers{Users: []string{"ann"}, Groups: []string{"ops"}}},
			{Pattern: "new/*", Pushers: &v1alpha1.Pushers{Users: []string{"bob"}}},
		}
	})
	b.commit("w", "a", "2")
	b.git("w", "push", "-q", b.url("w"), "main", "main:ops") // forward is allowed
	b.git("w", "commit", "-q", "--amend", "-m", "other")
	before := b.refsOf("w")
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"force":                        {[]string{"-f", "main"}, "refs/heads/main is protected: a push may not take commits away"},
		"force among others":           {[]string{"-f", "main:free", "main"}, "refs/heads/main is protected: a push may not take commits away"},
		"force, atomic":                {[]string{"-f", "--atomic", "main:free", "main"}, "refs/heads/main is protected"},
		"back to an older commit":      {[]string{"-f", "HEAD~1:main"}, "refs/heads/main is protected"},
		"force of a pusher":            {[]string{"-f", "main:ops"}, "refs/heads/ops is protected"},
		"delete":                       {[]string{":main"}, `branch main is protected: it may not be deleted (rule "main" of spec.protect of repository w)`},
		"delete with allowed force":    {[]string{":release/1"}, "branch release/1 is protected: it may not be deleted"},
		"moved tag":                    {[]string{"-f", "HEAD:refs/tags/v1"}, "tag v1 is protected: a tag that is there may not be moved"},
		"deleted tag":                  {[]string{":refs/tags/v1"}, "tag v1 is protected: it may not be deleted"},
		"nobody":                       {[]string{"main:locked"}, "branch locked is protected: ann may not push to it"},
		"nobody deletes":               {[]string{":locked"}, "branch locked is protected: ann may not push to it"},
		"another person's new ref":     {[]string{"main:new/x"}, "branch new/x is protected: ann may not push to it"},
		"refused as a whole":           {[]string{"main:fine", "main:locked"}, "branch locked is protected"},
		"a protected one and a mirror": {[]string{"--mirror"}, "is protected"},
	} {
		b.refused(tc.want, "w", append([]string{"push", b.url("w")}, tc.args...)...)
		if now := b.refsOf("w"); now != before {
			t.Fatalf("%s: refs changed:\n%s\n%s", name, before, now)
		}
	}
	if got := b.status("w").Sequence; got != 8 {
		t.Fatalf("something was recorded: %d", got)
	}
	// What the rules allow.
	b.git("w", "push", "-q", "-f", b.url("w"), "main:free", "main:release/1")
	b.git("w", "push", "-q", b.url("w"), "HEAD:refs/tags/v2", ":free")
}

// git ends the name of a ref at a zero byte; a rule must not look further.
func TestProtectionIsNotFooledByWhatFollowsAName(t *testing.T) {
	b := newBench(t)
	head := b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main:other", "main")
	b.set("w", func(s *v1alpha1.RepositorySpec) { s.Protect = []v1alpha1.ProtectRule{{Pattern: "main"}} })
	before := b.refsOf("w")
	for _, name := range []string{"refs/heads/main", "refs/heads/main\x00", "refs/heads/main\x00 x", "refs/heads/main\n", "refs/heads/main\x00 push-options"} {
		body := pkt(zeroHash+" "+head+" refs/heads/new\x00 report-status side-band-64k delete-refs") + pkt(head+" "+zeroHash+" "+name) + flushPkt
		r := httptest.NewRequest("POST", "/git/w.git/git-receive-pack", strings.NewReader(body))
		r.SetBasicAuth("x", "token-of-ann")
		r.Header.Set("Content-Type", "application/x-git-receive-pack-request")
		w := httptest.NewRecorder()
		b.host.Handler().ServeHTTP(w, r)
		if now := b.refsOf("w"); now != before {
			t.Fatalf("%q: %d %s\n%s", name, w.Code, w.Body, now)
		}
	}
}

func TestPushersByGroup(t *testing.T) {
	r := v1alpha1.ProtectRule{Pattern: "*", Pushers: &v1alpha1.Pushers{Groups: []string{"release"}}}
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Name: "w"}}
	repo.Spec.Protect = []v1alpha1.ProtectRule{r}
	p := push{commands: []command{{zeroHash, strings.Repeat("a", 40), "refs/heads/x"}}}
	for group, want := range map[string]bool{"release": true, "developers": false} {
		if err := protect(repo, person{"eve", []string{group}}, p, &guard{}); (err == nil) != want {
			t.Errorf("%s: %v", group, err)
		}
	}
}

type person struct {
	name   string
	groups []string
}

func (p person) GetName() string               { return p.name }
func (p person) GetUID() string                { return "" }
func (p person) GetGroups() []string           { return p.groups }
func (p person) GetExtra() map[string][]string { return nil }

func TestLimitsOfARepository(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	limit := func(pack, file, total string) {
		b.set("w", func(s *v1alpha1.RepositorySpec) {
			s.Limits = &v1alpha1.RepositoryLimits{}
			for text, at := range map[*string]**resource.Quantity{&pack: &s.Limits.Pack, &file: &s.Limits.File, &total: &s.Limits.Total} {
				if *text != "" {
					q := resource.MustParse(*text)
					*at = &q
				}
			}
		})
	}
	before := b.refsOf("w")
	b.commit("w", "dir/a large one", noise(200_000))
	limit("100Ki", "", "")
	b.refused("larger than 100Ki, spec.limits.pack of repository w", "w", "push", b.url("w"), "main")
	limit("", "", "150Ki")
	b.refused("spec.limits.total of repository w (150Ki) leaves", "w", "push", b.url("w"), "main")
	limit("", "100Ki", "")
	b.refused("file dir/a large one has 200000 bytes; spec.limits.file allows 102400", "w", "push", b.url("w"), "main")
	// In the middle of what is pushed, too.
	b.git("w", "rm", "-q", "dir/a large one")
	b.git("w", "commit", "-q", "-m", "gone again")
	b.refused("dir/a large one", "w", "push", b.url("w"), "main")
	if now := b.refsOf("w"); now != before {
		t.Fatalf("refs changed:\n%s", now)
	}
	limit("", "", "")
	b.git("w", "push", "-q", b.url("w"), "main")
	// What is there already may be the base of a small change.
	limit("", "100Ki", "")
	b.git("w", "checkout", "-q", "HEAD~1")
	b.commit("w", "b", "small")
	b.git("w", "push", "-q", b.url("w"), "HEAD:refs/heads/other")
	limit("", "", "1Ki")
	b.refused("may have 1Ki (spec.limits.total of repository w)", "w", "push", b.url("w"), "HEAD:refs/heads/third")
	b.git("w", "push", "-q", b.url("w"), ":other") // brings nothing
}

func TestPushOptions(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	out := b.git("w", "push", "-o", "ci.variable=DEPLOY=yes=1", "-o", "ci.variable=OTHER=", "-o", "secret_push_protection.skip_all", b.url("w"), "main")
	if !strings.Contains(out, "Push option secret_push_protection.skip_all is not known here") || !strings.Contains(out, "run w-1 of refs/heads/main") {
		t.Fatalf("answer:\n%s", out)
	}
	got := b.status("w").Refs["refs/heads/main"]
	if v, has := got.Variables["OTHER"]; got.Variables["DEPLOY"] != "yes=1" || v != "" || !has || got.NoRun != "" {
		t.Fatalf("%+v", got)
	}
	b.commit("w", "a", "2")
	b.git("w", "push", "-q", "-o", "ci.skip", b.url("w"), "main", "main:other")
	for _, ref := range []string{"refs/heads/main", "refs/heads/other"} {
		if got := b.status("w").Refs[ref]; got.NoRun != "the push says ci.skip" || len(got.Variables) > 0 {
			t.Fatalf("%s: %+v", ref, got)
		}
	}
	// The next push says nothing of the kind.
	b.commit("w", "a", "3")
	b.git("w", "push", "-q", b.url("w"), "main")
	if got := b.status("w").Refs["refs/heads/main"]; got.NoRun != "" {
		t.Fatalf("%+v", got)
	}
	before := b.refsOf("w")
	b.commit("w", "a", "4")
	for option, want := range map[string]string{
		"merge_request.create":      "push option merge_request.create is not supported",
		"merge_request.target=main": "push option merge_request.target is not supported",
		"ci.variable=1BAD=x":        "want ci.variable=NAME=VALUE",
		"ci.variable=NOVALUE":       "want ci.variable=NAME=VALUE",
		"ci.variable":               "want ci.variable=NAME=VALUE",
		"ci.variable=A=" + strings.Repeat("x", maxOptionVariable): "more than 8192 bytes",
	} {
		b.refused(want, "w", "push", "-o", option, b.url("w"), "main")
	}
	if now := b.refsOf("w"); now != before || len(b.heard("w")) != 0 {
		t.Fatalf("refs %s, notes %v", now, b.heard("w"))
	}
}

// heard is what pushes said that is not recorded.
func (b *bench) heard(repo string) []said {
	b.t.Helper()
	notes, err := b.host.heard("default", repo)
	if err != nil {
		b.t.Fatal(err)
	}
	return notes
}

// died puts another server in the place of the one that took pushes.
func (b *bench) died() {
	old := b.host
	b.host = &Host{Store: &Store{Dir: old.Dir}, Client: b.client, Disk: old.Disk, Log: old.Log, Authenticate: old.Authenticate, Authorize: old.Authorize}
	b.host.init()
}

// With the Kubernetes API away, what the push said waits with it.
func TestPushOptionsSurviveAnAbsentAPI(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	b.host.Reader = brokenReader{}
	b.commit("w", "a", "2")
	b.git("w", "push", "-q", "-o", "ci.skip", b.url("w"), "main")
	b.host.Reader = b.client
	if err := b.host.Reconcile(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := b.status("w").Refs["refs/heads/main"]; got.Sequence != 2 || got.NoRun == "" || got.By != "ann" || len(b.heard("w")) != 0 {
		t.Fatalf("%+v %v", got, b.heard("w"))
	}
}

// A server that ends between the change of a ref and its record loses nothing that the
// push said; nor does what a push said that came to nothing count for a later one.
func TestPushOptionsSurviveTheServer(t *testing.T) {
	for name, moment := range map[string]struct {
		change, later bool
		noRun         string
	}{
		"before the ref changed":     {noRun: ""},
		"after it":                   {change: true, noRun: "the push says ci.skip"},
		"after it, and then a push":  {change: true, later: true, noRun: "the push says ci.skip"},
		"before it, and then a push": {later: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			first := b.commit("w", "a", "1")
			b.git("w", "push", "-q", b.url("w"), "main")
			second := b.commit("w", "a", "2")
			b.git("w", "push", "-q", b.url("w"), "main:refs/heads/other")
			dir, err := b.host.path("default", "w")
			if err != nil {
				t.Fatal(err)
			}
			// As receive-pack is about to do.
			p := push{commands: []command{{old: first, new: second, ref: "refs/heads/main"}}}
			if _, err := b.host.keep(route{ns: "default", name: "w"}, p, "bob", v1alpha1.PushNote{NoRun: "the push says ci.skip"}); err != nil {
				t.Fatal(err)
			}
			if moment.change {
				b.git("", "-C", dir, "update-ref", "refs/heads/main", second)
			}
			b.died()
			if moment.later {
				b.server.Config.Handler = b.host.Handler()
				b.git("w", "push", "-q", b.url("w"), "main~1:refs/heads/third")
			}
			if err := b.host.Reconcile(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := b.status("w").Refs["refs/heads/main"]
			if got.NoRun != moment.noRun || moment.change && (got.Commit != second || got.By != "bob") || len(b.heard("w")) != 0 {
				t.Errorf("%+v, heard %v", got, b.heard("w"))
			}
			// Later pushes do not hear of it.
			if !moment.change {
				b.server.Config.Handler = b.host.Handler()
				b.git("w", "push", "-q", b.url("w"), "main")
				if got := b.status("w").Refs["refs/heads/main"]; got.Commit != second || got.NoRun != "" {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

func TestPathsOfARepository(t *testing.T) {
	b := newBench(t)
	b.commit("w", "web/a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	b.set("w", func(s *v1alpha1.RepositorySpec) { s.Paths = []string{"web", "go.{mod,sum}"} })
	noRun := func(ref string) string { return b.status("w").Refs[ref].NoRun }
	for _, step := range []struct {
		file string
		runs bool
	}{{"docs/a", false}, {"web/b", true}, {"website/a", false}, {"go.mod", true}} {
		b.commit("w", step.file, "x")
		b.git("w", "push", "-q", b.url("w"), "main")
		if got := noRun("refs/heads/main"); (got == "") != step.runs {
			t.Errorf("%s: %q", step.file, got)
		}
	}
	b.commit("w", "docs/b", "x")
	b.git("w", "push", "-q", b.url("w"), "main", "main:topic")
	if got := noRun("refs/heads/main"); got != "none of the 1 files that changed is in spec.paths" {
		t.Errorf("%q", got)
	}
	b.git("w", "checkout", "-q", "-b", "feature")
	b.commit("w", "docs/c", "x")
	b.git("w", "push", "-q", b.url("w"), "feature")
	b.commit("w", "web/c", "x")
	b.git("w", "push", "-q", b.url("w"), "feature:with-web")
	b.git("w", "push", "-q", b.url("w"), "HEAD~1:refs/tags/v1")
	for ref, runs := range map[string]bool{"refs/heads/topic": false, "refs/heads/feature": false, "refs/heads/with-web": true, "refs/tags/v1": true} {
		if got := noRun(ref); (got == "") != runs {
			t.Errorf("%s: %q", ref, got)
		}
	}
}

func TestPushesThatStartNoRuns(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	b.set("w", func(s *v1alpha1.RepositorySpec) { s.Pushes = "none" })
	b.commit("w", "a", "2")
	b.git("w", "push", "-q", b.url("w"), "main", "main:refs/tags/v1")
	for _, ref := range []string{"refs/heads/main", "refs/tags/v1"} {
		if got := b.status("w").Refs[ref]; got.NoRun != "spec.pushes is none" || got.Commit == "" {
			t.Errorf("%s: %+v", ref, got)
		}
	}
}

func TestFilteredRefsAreNotRecorded(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	b.set("w", func(s *v1alpha1.RepositorySpec) {
		s.Branches, s.ExcludeBranches, s.Tags = []string{"main", "feature/**"}, []string{"feature/tmp-*"}, []string{"v*"}
	})
	b.git("w", "push", "-q", b.url("w"), "main:feature/x", "main:feature/tmp-1", "main:other", "main:refs/tags/v1", "main:refs/tags/nightly")
	st := b.status("w")
	if st.Sequence != 3 || len(st.Refs) != 3 || st.Refs["refs/heads/feature/x"].Commit == "" || st.Refs["refs/tags/v1"].Commit == "" {
		t.Fatalf("%+v", st)
	}
	if err := b.host.Reconcile(context.Background()); err != nil || b.status("w").Sequence != 3 {
		t.Fatal("recorded after all", err)
	}
	if refs := b.refsOf("w"); !strings.Contains(refs, "refs/heads/other") {
		t.Fatalf("what is filtered is stored all the same:\n%s", refs)
	}
}
