package joblog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var attempt = Attempt{Namespace: "default", Run: "shop-1", Job: "test", Number: 1}

// pods prints lines; it breaks the stream after each of cuts.
type pods struct {
	mu    sync.Mutex
	lines []string
	cut   int
	ended bool
}

func stamp(i int) string {
	return time.Date(2026, 1, 2, 3, 4, 5, i/2*1000, time.UTC).Format(time.RFC3339Nano) // two lines share one stamp
}

func (p *pods) Stream(_ context.Context, _, _, _ string, since *metav1.Time) (io.ReadCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.lines)
	if p.cut > 0 && p.cut < n {
		n = p.cut
		p.cut = 0
	} else {
		p.ended = true
	}
	var b strings.Builder
	for i, l := range p.lines[:n] {
		fmt.Fprintf(&b, "%s %s\n", stamp(i), l)
	}
	return io.NopCloser(strings.NewReader(b.String())), nil
}

func (p *pods) Ended(context.Context, string, string, string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended, nil
}

func read(t *testing.T, s *Store, follow bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := s.Open(ctx, attempt, follow)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestBrokenStreamIsResumedWithoutLossOrRepetition(t *testing.T) {
	for cut := 1; cut < 5; cut++ {
		s := NewStore(t.TempDir())
		sealed := make(chan Attempt, 1)
		c := &Collector{Store: s, Pods: &pods{lines: []string{"a", "b", "c", "c", ""}, cut: cut}, Log: slog.New(slog.DiscardHandler),
			Sealed: func(a Attempt) { sealed <- a }}
		c.Start(t.Context())
		c.Follow(attempt, "pod", "step-job")
		if got := read(t, s, true); got != "a\nb\nc\nc\n\n" {
			t.Errorf("cut %d: %q", cut, got)
		}
		<-sealed
		if !s.Sealed(attempt) || read(t, s, false) != "a\nb\nc\nc\n\n" {
			t.Errorf("cut %d: not sealed", cut)
		}
		c.Wait()
	}
}

// node is a kubelet that is killed while a container runs: the stream breaks within a
// line as if it were complete, and then nobody knows the pod for some looks.
type node struct {
	pods
	looks int
	// breaks after so many bytes at the first look; unknown for so many looks then.
	breaks, unknown int
	endsAt          int // the look from which on the container has ended
	unfinished      bool
}

func (n *node) Stream(ctx context.Context, namespace, pod, container string, since *metav1.Time) (io.ReadCloser, error) {
	n.looks++
	if n.looks > 1 && n.looks <= 1+n.unknown {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, pod)
	}
	r, err := n.pods.Stream(ctx, namespace, pod, container, since)
	if n.unfinished && err == nil {
		b, err := io.ReadAll(r)
		return io.NopCloser(bytes.NewReader(bytes.TrimSuffix(b, []byte("\n")))), err
	}
	if n.looks == 1 && err == nil {
		r = io.NopCloser(io.LimitReader(r, int64(n.breaks)))
	}
	return r, err
}

func (n *node) Ended(context.Context, string, string, string) (bool, error) {
	return n.looks+1 >= n.endsAt, nil
}

// TestKilledKubelet: what it does not say while it comes back is no end of the log, also
// if the container ends meanwhile; only for good it is.
func TestKilledKubelet(t *testing.T) {
	const whole = "a\nb\nc\nc\n\n"
	for _, tc := range []struct {
		breaks, unknown, endsAt int
		missing                 time.Duration
		want                    string
	}{
		{breaks: 60, unknown: 2, endsAt: 6, want: whole},
		{breaks: 60, unknown: 3, endsAt: 1, want: whole}, // it had ended when the stream broke
		{breaks: 64, unknown: 0, endsAt: 1, want: whole},
		{breaks: 60, unknown: 1000, endsAt: 1, missing: time.Nanosecond, want: "a\nb\n"},
		{breaks: 79, unknown: 1000, endsAt: 1, missing: time.Nanosecond, want: "a\nb\nc\n"},
	} {
		s := NewStore(t.TempDir())
		n := &node{pods: pods{lines: []string{"a", "b", "c", "c", ""}}, breaks: tc.breaks, unknown: tc.unknown, endsAt: tc.endsAt}
		c := &Collector{Store: s, Pods: n, Log: slog.New(slog.DiscardHandler), Missing: tc.missing}
		c.Start(t.Context())
		c.Follow(attempt, "pod", "step-job")
		if got := read(t, s, true); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
		c.Wait()
	}
}

// TestUnfinishedLine: what a container printed last without a newline is a line.
func TestUnfinishedLine(t *testing.T) {
	for endsAt := 1; endsAt < 4; endsAt++ {
		s := NewStore(t.TempDir())
		n := &node{pods: pods{lines: []string{"a", "b"}}, endsAt: endsAt, unfinished: true}
		c := &Collector{Store: s, Pods: n, Log: slog.New(slog.DiscardHandler)}
		c.Start(t.Context())
		c.Follow(attempt, "pod", "step-job")
		if got := read(t, s, true); got != "a\nb\n" {
			t.Errorf("ended at look %d: %q", endsAt, got)
		}
		c.Wait()
	}
}

func TestRestartContinuesInTheMiddleOfALine(t *testing.T) {
	s := NewStore(t.TempDir())
	w, err := s.append(attempt)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write([]byte(stamp(0) + " a\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.file.WriteString(stamp(1) + " hal"); err != nil {
		t.Fatal(err)
	}
	w.close()
	c := &Collector{Store: s, Pods: &pods{lines: []string{"a", "half", "c"}}, Log: slog.New(slog.DiscardHandler)}
	c.Start(t.Context())
	c.Follow(attempt, "pod", "step-job")
	if got := read(t, s, true); got != "a\nhalf\nc\n" {
		t.Errorf("%q", got)
	}
	c.Wait()
}

// broken gives the text in streams that break off after each of the cuts.
type broken struct {
	mu   sync.Mutex
	text string
	cuts []int
}

func (b *broken) Stream(context.Context, string, string, string, *metav1.Time) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.cuts) == 0 {
		return io.NopCloser(strings.NewReader(b.text)), nil
	}
	n := b.cuts[0]
	b.cuts = b.cuts[1:]
	return io.NopCloser(io.MultiReader(strings.NewReader(b.text[:n]), iotest.ErrReader(errors.New("connection lost")))), nil
}

func (b *broken) Ended(context.Context, string, string, string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.cuts) == 0, nil
}

// TestLinesLongerThanAnyBuffer come in pieces, also where the stream breaks within one.
func TestLinesLongerThanAnyBuffer(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 40<<10) // ten buffers
	text := stamp(0) + " first\n" + stamp(2) + " " + long + "\n" + stamp(4) + " \n" + stamp(6) + " " + long[:maxHeld-len(stamp(6))-1] + "\n" + stamp(8) + " end, without a newline"
	var want strings.Builder
	for line := range strings.Lines(text) {
		want.WriteString(line[strings.IndexByte(line, ' ')+1:])
	}
	want.WriteString("\n")
	for _, cuts := range [][]int{nil, {10}, {100}, {maxHeld, 3 * maxHeld, 5*maxHeld + 7}, {len(text) - 3}, {200, 200, 9 * maxHeld, 300}} {
		s := NewStore(t.TempDir())
		c := &Collector{Store: s, Pods: &broken{text: text, cuts: cuts}, Log: slog.New(slog.DiscardHandler)}
		c.Start(t.Context())
		c.Follow(attempt, "pod", "step-job")
		if got := read(t, s, true); got != want.String() {
			t.Errorf("cuts %v: %d bytes, want %d", cuts, len(got), want.Len())
		}
		c.Wait()
		if got := read(t, s, false); got != want.String() {
			t.Errorf("cuts %v, read again: %d bytes, want %d", cuts, len(got), want.Len())
		}
	}
}

func TestOneLineBeyondTheLimit(t *testing.T) {
	s := NewStore(t.TempDir())
	s.max = 3 * maxHeld
	c := &Collector{Store: s, Pods: &broken{text: stamp(0) + " " + strings.Repeat("x", 10*maxHeld) + "\n" + stamp(2) + " more\n"}, Log: slog.New(slog.DiscardHandler)}
	c.Start(t.Context())
	c.Follow(attempt, "pod", "step-job")
	got := read(t, s, true)
	if int64(len(got)) > s.max+200 || !strings.HasSuffix(got, fmt.Sprintf("\n[the log is limited to %d bytes; what follows is not kept]\n", s.max)) || strings.Contains(got, "more") {
		t.Errorf("%d bytes, ending in %q", len(got), got[max(0, len(got)-100):])
	}
	c.Wait()
}

func TestLogIsBoundedWithAClearLine(t *testing.T) {
	s := NewStore(t.TempDir())
	s.max = 200
	var lines []string
	for range 50 {
		lines = append(lines, "0123456789")
	}
	c := &Collector{Store: s, Pods: &pods{lines: lines}, Log: slog.New(slog.DiscardHandler)}
	c.Start(t.Context())
	c.Follow(attempt, "pod", "step-job")
	got := read(t, s, true)
	if len(got) > 300 || strings.Count(got, "limited to 200 bytes") != 1 {
		t.Errorf("%q", got)
	}
	c.Wait()
}

func TestSealWithoutAContainer(t *testing.T) {
	s := NewStore(t.TempDir())
	for range 2 {
		if err := s.Seal(attempt, "the image cannot be pulled"); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, s, true); got != "the image cannot be pulled\n" {
		t.Errorf("%q", got)
	}
	if _, err := s.Open(t.Context(), Attempt{Namespace: "..", Run: "x", Job: "x", Number: 1}, false); err == nil {
		t.Error("a name that leaves the directory was opened")
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:05.5Z text\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, text := split(line); len(text) > len(line) {
			t.Fatal("longer")
		}
	})
}

// What comes fast is written in large pieces, and nothing of it is missing; a line that
// comes alone is there at once.
func TestFastLogIsWhole(t *testing.T) {
	s := NewStore(t.TempDir())
	w, err := s.append(attempt)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range 20_000 {
		if err := w.write([]byte(stamp(i) + " line\n")); err != nil {
			t.Fatal(err)
		}
		want.WriteString("line\n")
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, false); got != want.String() {
		t.Errorf("%d bytes of %d", len(got), want.Len())
	}
	if err := w.write([]byte(stamp(20_000) + " last\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.seal(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, true); got != want.String()+"last\n" {
		t.Errorf("%d bytes", len(got))
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
}
