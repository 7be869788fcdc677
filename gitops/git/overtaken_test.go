package git

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// runsThrough is what whoever makes the runs writes.
func (b *bench) runsThrough(repo string, sequence int64) {
	b.t.Helper()
	var r v1alpha1.Repository
	if err := b.client.Get(b.t.Context(), client.ObjectKey{Namespace: "default", Name: repo}, &r); err != nil {
		b.t.Fatal(err)
	}
	r.Annotations = map[string]string{v1alpha1.RunsThroughAnnotation: fmt.Sprint(sequence)}
	if err := b.client.Update(b.t.Context(), &r); err != nil {
		b.t.Fatal(err)
	}
}

// TestOvertakenPushes: git told each of them the address of its run; until that is made
// the update is kept, whatever its ref has come to, and no longer.
func TestOvertakenPushes(t *testing.T) {
	b := newBench(t)
	var commits []string
	push := func(refspec ...string) {
		t.Helper()
		commits = append(commits, b.commit("w", "a", fmt.Sprint(len(commits))))
		out := b.git("w", append([]string{"push", b.url("w")}, refspec...)...)
		if !strings.Contains(out, fmt.Sprintf("remote: run w-%d of", b.status("w").Sequence)) {
			t.Errorf("no notice in\n%s", out)
		}
	}
	left := func(want ...string) {
		t.Helper()
		var got []string
		for _, u := range b.status("w").Overtaken {
			got = append(got, fmt.Sprintf("%d %s %s by %s", u.Sequence, u.Ref, u.Commit, u.By))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("overtaken\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	push("main")
	left()
	push("main")
	push("main")
	first, second := "1 refs/heads/main "+commits[0]+" by ann", "2 refs/heads/main "+commits[1]+" by ann"
	left(first, second)
	push("main:topic")
	b.git("w", "push", "-q", b.url("w"), ":topic")
	topic := "4 refs/heads/topic " + commits[3] + " by ann"
	left(first, second, topic)
	b.runsThrough("w", 3)
	push("main")
	left(topic) // 3, which was the newest, has its run
	b.runsThrough("w", b.status("w").Sequence)
	push("main")
	left()

	var r v1alpha1.Repository
	if err := b.client.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "w"}, &r); err != nil {
		t.Fatal(err)
	}
	r.Status.Overtaken = make([]v1alpha1.RefUpdate, v1alpha1.MaxOvertaken)
	for i := range r.Status.Overtaken {
		r.Status.Overtaken[i].Sequence = r.Status.Sequence + 1
	}
	if err := b.client.Status().Update(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	b.commit("w", "a", "one too many")
	b.refused("200 earlier pushes wait for their runs", "w", "push", b.url("w"), "main")
}
