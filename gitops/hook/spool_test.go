package hook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func delivery(repo, id string) Delivery {
	return Delivery{Namespace: "default", Repository: repo, Forge: "github", ID: id, Event: Event{Kind: Push, Name: "push"}, Received: time.Now()}
}

func open(t testing.TB, dir string) *Spool {
	t.Helper()
	s, err := Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func add(t testing.TB, s *Spool, repo, id string) (uint64, bool) {
	t.Helper()
	n, fresh, err := s.Add(context.Background(), delivery(repo, id), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return n, fresh
}

// run hands out deliveries until want were handled or one of the fail list failed.
func run(t *testing.T, s *Spool, want int, fail ...string) (got []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	failed := false
	err := s.Run(ctx, func(_ context.Context, d Delivery) (string, error) {
		if slices.Contains(fail, d.ID) {
			failed = true
			return "", errors.New("not now")
		}
		if got = append(got, d.ID); len(got) >= want && (failed || len(fail) == 0) {
			defer cancel()
		}
		return "looked", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSpoolSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, id := range []string{"a", "b", "c", "d"} {
		if _, fresh := add(t, s, "shop", id); !fresh {
			t.Fatal("not fresh")
		}
	}
	// One that fails holds up no other.
	if got := run(t, s, 3, "b"); !slices.Equal(got, []string{"a", "c", "d"}) {
		t.Fatal(got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if _, fresh := add(t, s, "shop", "a"); fresh {
		t.Fatal("a repeat was taken as new")
	}
	if got := run(t, s, 1); !slices.Equal(got, []string{"b"}) {
		t.Fatal(got)
	}
	list, err := s.List("default", "shop")
	if err != nil || len(list) != 4 || list[0].ID != "d" || list[2].ID != "b" || list[2].Attempts == 0 || list[2].Outcome != Done || list[2].Message != "looked" || list[2].Handled == nil {
		t.Fatalf("%+v %v", list, err)
	}
	s.Close()
	if _, _, err := s.Add(context.Background(), delivery("shop", "x"), nil); !errors.Is(err, fs.ErrClosed) {
		t.Fatal("a closed spool took a delivery", err)
	}
}

// TestSpoolSurvivesKill: what was acknowledged is there after kill -9 at any moment.
func TestSpoolSurvivesKill(t *testing.T) {
	if dir := os.Getenv("SLIPWAY_SPOOL"); dir != "" {
		s, err := Open(dir, quiet)
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		from, _ := strconv.Atoi(os.Getenv("SLIPWAY_FROM"))
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := from + w; ; i += 8 {
					if _, _, err := s.Add(context.Background(), delivery("shop", strconv.Itoa(i)), []byte(strings.Repeat("x", 5000))); err == nil {
						fmt.Println("stored", i)
					}
				}
			})
		}
		wg.Wait()
	}
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSpoolSurvivesKill$")
		cmd.Env = append(os.Environ(), "SLIPWAY_SPOOL="+dir, fmt.Sprintf("SLIPWAY_FROM=%d", round*1_000_000))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); {
			id, ok := strings.CutPrefix(lines.Text(), "stored ")
			if !ok {
				t.Fatal(lines.Text())
			}
			acknowledged[id] = true
			if n++; n == 100+17*round {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
	}
	s := open(t, dir)
	waits, err := s.pending(0, maxWaiting)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, d := range waits {
		if there[d.ID] {
			t.Errorf("%s is there twice", d.ID)
		}
		there[d.ID] = true
	}
	for id := range acknowledged {
		if !there[id] {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
	if len(acknowledged) < 500 {
		t.Errorf("only %d were acknowledged", len(acknowledged))
	}
	if s.wait != len(waits) || s.waits[scope("default", "shop")] != len(waits) || s.seen != len(waits) {
		t.Errorf("counted %d, %v, %d of %d", s.wait, s.waits, s.seen, len(waits))
	}
}

func TestManyAtOnceAndRepeats(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := map[string]int{}
	for i := range 500 {
		wg.Go(func() {
			id := fmt.Sprint(i % 250)
			_, f, err := s.Add(context.Background(), delivery("shop", id), nil)
			if err != nil {
				t.Error(err)
			}
			if f {
				mu.Lock()
				defer mu.Unlock()
				fresh[id]++
			}
		})
	}
	wg.Wait()
	if waits, err := s.pending(0, 1000); err != nil || len(waits) != 250 || len(fresh) != 250 {
		t.Fatalf("%d wait, %d fresh, %v", len(waits), len(fresh), err)
	}
}

func TestOneRepositoryDoesNotFillTheSpool(t *testing.T) {
	s := open(t, t.TempDir())
	s.db.NoSync = true
	s.waits[scope("default", "noisy")], s.wait = maxWaitingRepository, maxWaitingRepository
	if _, _, err := s.Add(context.Background(), delivery("noisy", "1"), nil); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if _, fresh := add(t, s, "shop", "1"); !fresh {
		t.Fatal("no place for another")
	}
	s.wait = maxWaiting
	if _, _, err := s.Add(context.Background(), delivery("shop", "2"), nil); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
}

func TestRetention(t *testing.T) {
	s := open(t, t.TempDir())
	s.db.NoSync, s.db.MaxBatchDelay = true, 0
	at := time.Now()
	s.now = func() time.Time { return at }
	for i := range keepCount + 30 {
		add(t, s, "shop", fmt.Sprint(i))
	}
	add(t, s, "other", "0")
	if list, _ := s.List("default", "shop"); len(list) != keepCount+30 {
		t.Fatalf("%d: what waits was dropped", len(list))
	}
	if got := run(t, s, keepCount+31); len(got) != keepCount+31 {
		t.Fatal(len(got))
	}
	list, _ := s.List("default", "shop")
	if len(list) != keepCount || list[0].ID != fmt.Sprint(keepCount+29) {
		t.Fatalf("%d are kept, the newest %s", len(list), list[0].ID)
	}
	if _, _, err := s.Get("default", "shop", 1); !errors.Is(err, ErrNotFound) {
		t.Fatal("kept beyond the count", err)
	}
	if _, fresh := add(t, s, "shop", "0"); fresh {
		t.Fatal("one that is not kept any more came again and was taken as new")
	}
	at = at.Add(keepAge + time.Minute)
	late := delivery("shop", "late")
	late.Received = at
	if _, _, err := s.Add(context.Background(), late, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(); err != nil {
		t.Fatal(err)
	}
	if list, _ := s.List("default", "shop"); len(list) != 1 || list[0].ID != "late" {
		t.Fatalf("%d are kept beyond their age", len(list))
	}
	if list, _ := s.List("default", "other"); len(list) != 0 {
		t.Fatal("kept beyond its age")
	}
	if s.bodies != 0 {
		t.Fatalf("%d bytes are counted", s.bodies)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	s := open(t, t.TempDir())
	body := []byte(strings.Repeat("x", maxKeptBody+1))
	n, _, err := s.Add(context.Background(), delivery("shop", "1"), body)
	if err != nil {
		t.Fatal(err)
	}
	d, kept, err := s.Get("default", "shop", n)
	if err != nil || len(kept) != maxKeptBody || d.Size != len(body) || !d.Truncated {
		t.Fatal(len(kept), d, err)
	}
	add(t, s, "shop", "2")
	s.bodies = keepBodies + 100 // as if there were others
	if err := s.Prune(); err != nil {
		t.Fatal(err)
	}
	if _, kept, _ := s.Get("default", "shop", n); kept != nil {
		t.Error("the oldest body is kept")
	}
	if _, kept, _ := s.Get("default", "shop", n+1); kept == nil {
		t.Error("the newest body is gone")
	}
}

func TestRedeliver(t *testing.T) {
	s := open(t, t.TempDir())
	n, _ := add(t, s, "shop", "1")
	if got := run(t, s, 1); len(got) != 1 {
		t.Fatal(got)
	}
	again, err := s.Redeliver(context.Background(), "default", "shop", n, "ada")
	if err != nil || again.Of != n || again.By != "ada" || again.Number == n || again.Outcome != "" {
		t.Fatal(again, err)
	}
	if got := run(t, s, 1); len(got) != 1 {
		t.Fatal("not acted on again", got)
	}
	if _, err := s.Redeliver(context.Background(), "default", "other", n, "ada"); !errors.Is(err, ErrNotFound) {
		t.Fatal("another repository's", err)
	}
	if _, _, err := s.Get("team", "shop", n); !errors.Is(err, ErrNotFound) {
		t.Fatal("another tenant's", err)
	}
	bad := delivery("shop", "2")
	bad.Event, bad.Outcome, bad.Message = Event{Name: "issues", Ignored: "no"}, Ignored, "no"
	n, _, err = s.Add(context.Background(), bad, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeliver(context.Background(), "default", "shop", n, "ada"); !errors.Is(err, ErrNothing) {
		t.Fatal(err)
	}
}

func TestForget(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, "shop", "1")
	add(t, s, "shop-2", "1")
	if err := s.Forget("default", "shop"); err != nil {
		t.Fatal(err)
	}
	if list, _ := s.List("default", "shop"); len(list) != 0 || s.wait != 1 || s.seen != 1 {
		t.Fatal(list, s.wait, s.seen)
	}
	if waits, _ := s.pending(0, 10); len(waits) != 1 || waits[0].Repository != "shop-2" {
		t.Fatal(waits)
	}
	if _, fresh := add(t, s, "shop", "1"); !fresh {
		t.Fatal("what a repository of the same name got counts")
	}
}

// TestGivesUp: what fails for a day is marked so, and kept.
func TestGivesUp(t *testing.T) {
	s := open(t, t.TempDir())
	d := delivery("shop", "1")
	d.Received = time.Now().Add(-giveUp - time.Minute)
	n, _, err := s.Add(context.Background(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if failed, err := s.pass(context.Background(), func(context.Context, Delivery) (string, error) { return "", errors.New("never") }); failed || err != nil {
		t.Fatal(failed, err)
	}
	if got, _, err := s.Get("default", "shop", n); err != nil || got.Outcome != Failed || got.Message != "never" || s.wait != 0 {
		t.Fatal(got, err)
	}
}

func TestDamagedSpoolIsPutAside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "deliveries.db"), []byte(strings.Repeat("no database", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if _, fresh := add(t, s, "shop", "1"); !fresh {
		t.Fatal("not usable")
	}
	if _, err := os.Stat(filepath.Join(dir, "deliveries.db.damaged")); err != nil {
		t.Fatal(err)
	}
}

// drain handles what comes until the test is over.
func drain(t testing.TB, s *Spool) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx, func(context.Context, Delivery) (string, error) { return "looked", nil })
	}()
	t.Cleanup(func() { cancel(); <-ended })
}
