package supervise

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary play a server that is killed: it starts the
// child and goes away without stopping it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SUPERVISE_TEST_SERVER"); dir != "" {
		s := New(dir, dir, slog.New(slog.DiscardHandler))
		if err := s.Start(context.Background(), sleeper(dir)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.State()[0].PID)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	os.Exit(m.Run())
}

func sleeper(dir string) Child {
	return Child{Name: "sleeper", Path: "/bin/sh", Args: []string{"-c", "echo begun; while :; do sleep 100; done"},
		Config: []string{filepath.Join(dir, "config")}}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// until polls a condition with a deadline.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// killedServer runs a server process that starts the sleeper and is killed.
func killedServer(t *testing.T, dir string) Record {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SUPERVISE_TEST_SERVER="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("server ended by itself: %s", out)
	}
	r, ok, err := ReadRecord(dir, "sleeper")
	if err != nil || !ok || fmt.Sprint(r.PID) != strings.TrimSpace(string(out)) {
		t.Fatalf("pid file %+v %v %v, server said %s", r, ok, err, out)
	}
	if !r.Alive() {
		t.Fatal("child died with its server")
	}
	t.Cleanup(func() { _ = Terminate(r, syscall.SIGKILL, time.Second) })
	return r
}

func stop(t *testing.T, s *Supervisor) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestAdoptsAfterKill(t *testing.T) {
	dir := t.TempDir()
	before := killedServer(t, dir)
	s := New(dir, dir, quiet())
	if err := s.Start(t.Context(), sleeper(dir)); err != nil {
		t.Fatal(err)
	}
	st := s.State()[0]
	if st.PID != before.PID || !st.Adopted || !st.Running {
		t.Fatalf("not adopted: %+v, was %d", st, before.PID)
	}
	// An adopted child that dies is started again.
	if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "restart", func() bool { st = s.State()[0]; return st.Running && st.Restarts == 1 && !st.Adopted })
	stop(t, s)
	if _, ok, _ := ReadRecord(dir, "sleeper"); ok {
		t.Error("pid file left")
	}
}

func TestAdoptsWithoutPIDFile(t *testing.T) {
	dir := t.TempDir()
	before := killedServer(t, dir)
	removeRecord(dir, "sleeper")
	s := New(dir, dir, quiet())
	if err := s.Start(t.Context(), sleeper(dir)); err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if before.Alive() {
		t.Fatal("child without a pid file was doubled")
	}
}

func TestReplacesWhenConfigurationChanged(t *testing.T) {
	dir := t.TempDir()
	before := killedServer(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := New(dir, dir, quiet())
	if err := s.Start(t.Context(), sleeper(dir)); err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if st := s.State()[0]; st.PID == before.PID || st.Adopted {
		t.Fatalf("stale child kept: %+v", st)
	}
	if before.Alive() {
		t.Fatal("stale child still runs")
	}
}

func TestNeverTouchesAStranger(t *testing.T) {
	dir := t.TempDir()
	stranger := exec.Command("/bin/sleep", "100")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	r, err := newRecord(stranger.Process.Pid, "x")
	if err != nil {
		t.Fatal(err)
	}
	r.Start-- // the pid was used again by another process
	if err := writeRecord(dir, "sleeper", r); err != nil {
		t.Fatal(err)
	}
	s := New(dir, dir, quiet())
	if err := s.Start(t.Context(), sleeper(dir)); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	r.Start++
	if !r.Alive() {
		t.Fatal("a process with a reused pid was killed")
	}
}

func TestRestartsAndReportsWhyNotReady(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, dir, quiet())
	c := Child{Name: "bad", Path: "/bin/sh", Args: []string{"-c", "echo no such flag >&2; exit 3"},
		Ready: func(context.Context) error { return fmt.Errorf("never") }}
	if err := s.Launch(c); err != nil {
		t.Fatal(err)
	}
	until(t, "two restarts", func() bool { return s.State()[0].Restarts >= 2 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.WaitReady(ctx, "bad")
	if err == nil || !strings.Contains(err.Error(), "no such flag") || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("unhelpful: %v", err)
	}
	stop(t, s)
}

// TestHold puts off the first start and every other, and no stop.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, dir, quiet())
	var held atomic.Int64
	c := sleeper(dir)
	c.Hold = func() time.Duration {
		if held.Add(1) > 2 {
			return time.Hour
		}
		return 300 * time.Millisecond
	}
	began := time.Now()
	if err := s.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	kill := func() {
		began = time.Now()
		if err := syscall.Kill(s.State()[0].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("started after %s", took)
	}
	kill()
	until(t, "restart", func() bool { st := s.State()[0]; return st.Running && st.Restarts == 1 })
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("started again after %s", took)
	}
	kill()
	until(t, "hold", func() bool { return held.Load() == 3 })
	stop(t, s)
}

func TestStopsLastFirstAndKillsTheDeaf(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, dir, quiet())
	ready := func(name string) func(context.Context) error {
		return func(context.Context) error { _, err := os.Stat(filepath.Join(dir, name+".up")); return err }
	}
	script := func(name string) []string {
		return []string{"-c", "trap 'echo " + name + " >> " + dir + "/order; exit 0' TERM; : > " + dir + "/" + name + ".up; while :; do sleep 0.02; done"}
	}
	for _, name := range []string{"one", "two"} {
		if err := s.Start(t.Context(), Child{Name: name, Path: "/bin/sh", Args: script(name), Ready: ready(name)}); err != nil {
			t.Fatal(err)
		}
	}
	deaf := Child{Name: "deaf", Path: "/bin/sh", StopGrace: 20 * time.Millisecond,
		Args: []string{"-c", "trap '' TERM; : > " + dir + "/deaf.up; while :; do sleep 0.02; done"}, Ready: ready("deaf")}
	if err := s.Start(t.Context(), deaf); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	order, _ := os.ReadFile(filepath.Join(dir, "order"))
	if string(order) != "two\none\n" {
		t.Fatalf("order %q", order)
	}
	if err := s.Launch(deaf); err == nil {
		t.Fatal("started while stopping")
	}
}

func TestEnvironmentOfTheServerStaysBehind(t *testing.T) {
	t.Setenv("SLIPWAY_TOKEN", "planted-secret")
	dir := t.TempDir()
	s := New(dir, dir, quiet())
	out := filepath.Join(dir, "env")
	c := Child{Name: "env", Path: "/bin/sh", Env: []string{"GIVEN=1"}, Args: []string{"-c", "env > " + out + ".new; mv " + out + ".new " + out + "; sleep 100"},
		Ready: func(context.Context) error { _, err := os.Stat(out); return err }}
	if err := s.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	env, _ := os.ReadFile(out)
	if strings.Contains(string(env), "planted-secret") || !strings.Contains(string(env), "GIVEN=1") {
		t.Fatalf("environment: %s", env)
	}
}

func TestRotate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.log")
	for i := range 5 {
		if err := os.WriteFile(file, fmt.Appendf(nil, "content %d", i), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := rotate(file, 3, 3); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"": "", ".1": "content 4", ".2": "content 3", ".3": "content 2"} {
		if got, _ := os.ReadFile(file + name); string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, err := os.Stat(file + ".4"); err == nil {
		t.Error("too many kept")
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	first := b.after(0)
	if first > backoffFirst {
		t.Errorf("first pause %s", first)
	}
	for range 20 {
		if d := b.after(time.Second); d > backoffMax {
			t.Errorf("pause %s", d)
		}
	}
	if d := b.after(backoffReset); d > backoffFirst {
		t.Errorf("not forgotten after a long life: %s", d)
	}
}

func TestLockKeepsASecondServerOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	l, err := TakeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TakeLock(dir); err == nil || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Fatalf("second lock: %v", err)
	}
	l.Release()
	if l, err = TakeLock(dir); err != nil {
		t.Fatal(err)
	}
	l.Release()
}

func TestAFreshChildIsNeverAdopted(t *testing.T) {
	dir := t.TempDir()
	before := killedServer(t, dir)
	child := sleeper(dir)
	child.Fresh = true
	s := New(dir, dir, quiet())
	if err := s.Start(t.Context(), child); err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if st := s.State()[0]; st.PID == before.PID || st.Adopted || before.Alive() {
		t.Fatalf("kept: %+v, was %d", st, before.PID)
	}
}

// A child that stays outlives an orderly stop, started or adopted, and the next server finds it.
func TestAChildThatStaysIsAdopted(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	child := sleeper(dir)
	child.Stays = true
	other := child
	other.Name, other.Stays = "goes", false
	pid, last := 0, 0
	for round := range 3 {
		s := New(dir, dir, quiet())
		for _, c := range []Child{child, other} {
			if err := s.Start(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		state := s.State()
		if round > 0 && (state[0].PID != pid || !state[0].Adopted || state[1].PID == last) {
			t.Fatalf("round %d: %+v, before it was %d and %d", round, state, pid, last)
		}
		pid, last = state[0].PID, state[1].PID
		if err := s.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		r, ok, err := ReadRecord(dir, "sleeper")
		if err != nil || !ok || !r.Alive() || r.PID != pid {
			t.Fatalf("round %d: %+v %v %v", round, r, ok, err)
		}
		if _, ok, _ := ReadRecord(dir, "goes"); ok {
			t.Errorf("round %d: the other child has a record still", round)
		}
	}
	// Whoever takes everything down finds it as well.
	r, _, _ := ReadRecord(dir, "sleeper")
	if err := Terminate(r, syscall.SIGTERM, time.Minute); err != nil || r.Alive() {
		t.Errorf("%v, alive: %v", err, r.Alive())
	}
}
