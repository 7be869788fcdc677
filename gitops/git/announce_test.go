package git

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
)

// TestEventsOfRefs: forced pushes, deletions, renames and moved tags are told of, of
// repositories that are hosted here and of those elsewhere; ordinary pushes are not.
func TestEventsOfRefs(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		t.Run(fmt.Sprintf("elsewhere %v", elsewhere), func(t *testing.T) {
			up := upstream(t)
			b := up
			var r *Reconciler
			if elsewhere {
				b = newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: up.open("w")}})
				r = &Reconciler{Host: b.host, Remote: Remote{Private: true}}
			}
			recorder := events.NewFakeRecorder(100)
			b.host.Events = recorder
			// push, look, and collect what is told.
			push := func(args ...string) []string {
				t.Helper()
				up.git("w", append([]string{"push", "-q", "-f", up.url("w")}, args...)...)
				if r != nil {
					r.Kick("default", "copy")
					if _, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key}); err != nil {
						t.Fatal(err)
					}
				}
				var said []string
				for {
					select {
					case one := <-b.host.recorded:
						b.host.tell(context.Background(), one)
						continue
					default:
					}
					break
				}
				for {
					select {
					case e := <-recorder.Events:
						said = append(said, e)
						continue
					default:
					}
					return said
				}
			}
			expect := func(got []string, want ...string) {
				t.Helper()
				ok := len(got) == len(want)
				for i := 0; ok && i < len(want); i++ {
					ok = strings.Contains(got[i], want[i])
				}
				if !ok {
					t.Fatalf("told %q, want %q", got, want)
				}
			}
			first := up.commit("w", "a", "1")
			up.git("w", "tag", "v1")
			expect(push("main", "v1", "main:topic"))
			second := up.commit("w", "a", "2")
			expect(push("main"))
			up.git("w", "reset", "-q", "--hard", first)
			third := up.commit("w", "a", "3")
			expect(push("main"), "Warning ForcePushed refs/heads/main was forced from "+second+" to "+third)
			up.git("w", "reset", "-q", "--hard", first)
			expect(push("main"), "Warning ForcePushed refs/heads/main was forced from "+third+" to "+first)
			up.git("w", "tag", "-f", "v1", third)
			expect(push("v1"), "Warning TagMoved refs/tags/v1 was moved from "+first+" to "+third)
			expect(push(":topic", first+":refs/heads/renamed"), "Normal RefRenamed refs/heads/topic is refs/heads/renamed now")
			expect(push(":renamed", ":v1"), "Normal RefDeleted refs/heads/renamed", "Normal RefDeleted refs/tags/v1")
		})
	}
}

func TestRenames(t *testing.T) {
	gone := func(ref, c string) Update { return Update{Ref: ref, Before: c} }
	come := func(ref, c string) Update { return Update{Ref: ref, Commit: c} }
	for _, c := range []struct {
		name    string
		updates []Update
		want    map[string]string
	}{
		{"one", []Update{gone("refs/heads/a", "1"), come("refs/heads/b/c", "1")}, map[string]string{"refs/heads/a": "refs/heads/b/c"}},
		{"other commit", []Update{gone("refs/heads/a", "1"), come("refs/heads/b", "2")}, nil},
		{"branch to tag", []Update{gone("refs/heads/a", "1"), come("refs/tags/a", "1")}, nil},
		{"not clear which", []Update{gone("refs/heads/a", "1"), gone("refs/heads/b", "1"), come("refs/heads/c", "1")}, nil},
		{"not clear into which", []Update{gone("refs/heads/a", "1"), come("refs/heads/b", "1"), come("refs/heads/c", "1")}, nil},
		{"two", []Update{gone("refs/heads/a", "1"), come("refs/heads/b", "1"), gone("refs/tags/a", "1"), come("refs/tags/b", "1")},
			map[string]string{"refs/heads/a": "refs/heads/b", "refs/tags/a": "refs/tags/b"}},
	} {
		if got := renames(c.updates); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if many := slices.Repeat([]Update{gone("refs/heads/a", "1")}, 3); len(renames(many)) != 0 {
		t.Error("a name twice")
	}
}
