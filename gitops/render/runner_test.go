package render

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the child that Runner starts, honest or not.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "render" {
		os.Exit(beChild())
	}
	os.Exit(m.Run())
}

func beChild() int {
	if err := confine(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	request, _ := io.ReadAll(os.Stdin)
	switch {
	case strings.Contains(string(request), "memory bomb"):
		var keep [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			keep = append(keep, b)
			_ = keep
		}
	case strings.Contains(string(request), "cpu bomb"):
		for {
		}
	case strings.Contains(string(request), "output bomb"):
		for {
			if _, err := fmt.Println(strings.Repeat("x", 1<<16)); err != nil {
				return 1
			}
		}
	case strings.Contains(string(request), "look around"):
		links, _ := net.Interfaces()
		up := 0
		for _, l := range links {
			if l.Flags&net.FlagUp != 0 {
				up++
			}
		}
		fmt.Printf(`{"error":{"message":"env=%d uid=%d up=%d"}}`, len(os.Environ()), os.Getuid(), up)
		return 0
	}
	if err := Main(strings.NewReader(string(request)), os.Stdout, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestRunnerRendersInAChild(t *testing.T) {
	dir := write(t, map[string]string{"deploy/a.yaml": deployment})
	start := time.Now()
	answer, err := new(Runner).Render(context.Background(), dir, request())
	require.NoError(t, err)
	t.Logf("one rendering: %s", time.Since(start))
	direct, err := renderDir(t, dir, request())
	require.NoError(t, err)
	require.Equal(t, direct.Digest(), answer.Set.Digest())

	_, err = new(Runner).Render(context.Background(), write(t, map[string]string{"deploy/a.yaml": "a: ["}), request())
	var refusal *Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "deploy/a.yaml", refusal.File)
}

func TestRunnerKillsBombs(t *testing.T) {
	dir := write(t, map[string]string{"deploy/a.yaml": deployment})
	for _, c := range []struct{ path, want string }{
		{"memory bomb", "rendering needs more than"},
		{"cpu bomb", "of CPU"},
		{"output bomb", "the rendered set is larger than"},
	} {
		t.Run(c.path, func(t *testing.T) {
			_, err := (&Runner{CPU: 1, Memory: 256 << 20, Deadline: 5 * time.Minute}).Render(context.Background(), dir, Request{Path: c.path})
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := (&Runner{Deadline: 200 * time.Millisecond}).Render(context.Background(), dir, Request{Path: "cpu bomb"})
	require.ErrorContains(t, err, "rendering took longer than 200ms")
}

func TestRunnerChildHasNothing(t *testing.T) {
	t.Setenv("SLIPWAY_TOKEN", "planted")
	_, err := new(Runner).Render(context.Background(), write(t, nil), Request{Path: "look around"})
	want := "env=6 "
	if os.Geteuid() == 0 {
		want = "env=6 uid=65534 up=0"
	}
	require.ErrorContains(t, err, want)
}
