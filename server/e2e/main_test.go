// Package e2e owns the end-to-end tests: they start the built binary with the
// real cluster, in a network namespace of their own that has no route out, and
// use it as people do, with git, HTTP and a browser. Nothing here links
// Kubernetes. Start at TestMain; the tests share one server. Those that stop it or measure
// run in order (alone), before those that run beside one another (together); .ci/test runs
// the two lanes at once, each with a server of its own.
package e2e

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"slipway.dev/server/client"
)

const insideEnv = "SLIPWAY_E2E_NETNS"

// soakEnv is set by `make soak`, for what takes long. Another name than SLIPWAY_E2E_… the
// server would refuse as a setting that it does not know.
const soakEnv = "SLIPWAY_E2E_SOAK"

// top is the root of the checkout.
var top = func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}()

// lane is which of the tests run: "alone", "together", or both where it is empty.
var lane = flag.String("lane", "", "run only the tests that are alone with the server, or only those that are together")

func TestMain(m *testing.M) {
	if os.Getenv(scanEnv) != "" {
		os.Exit(scan())
	}
	flag.Parse()
	if !slices.Contains([]string{"", "alone", "together"}, *lane) {
		fmt.Fprintf(os.Stderr, "-lane %s: want alone or together\n", *lane)
		os.Exit(2)
	}
	if os.Getenv(insideEnv) == "" {
		os.Exit(inNamespace())
	}
	os.Exit(inside(m))
}

// inNamespace runs this test binary again within a fresh network namespace and a mount
// namespace of its own.
func inNamespace() int {
	name := fmt.Sprintf("slipway-e2e-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the end-to-end tests need root and iproute2: %v %s\n", err, out)
		return 1
	}
	defer func() { _ = exec.Command("ip", "netns", "del", name).Run() }()
	enter := "--net=/var/run/netns/" + name
	if out, err := exec.Command("nsenter", enter, "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "nsenter: %v %s\n", err, out)
		return 1
	}
	if os.Getenv(diskEnv) == "" { // else it runs within another one, which would wait for it and be waited for
		defer placesAway()()
	}
	cmd := exec.Command("nsenter", append([]string{enter, "unshare", "--mount", "--propagation", "private", os.Args[0]}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), insideEnv+"="+name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// placesAway returns what removes the places that are not there yet: they are made to be
// covered, and empty. It waits for the other lane, from which they would go as well.
func placesAway() func() {
	var made []string
	for _, dir := range places {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			made = append(made, dir)
		}
	}
	here, err := os.Open(".")
	if err == nil {
		err = syscall.Flock(int(here.Fd()), syscall.LOCK_SH)
	}
	return func() {
		if err == nil && made != nil {
			err = syscall.Flock(int(here.Fd()), syscall.LOCK_EX)
		}
		for _, dir := range made {
			_ = os.Remove(dir)
		}
		_ = here.Close() // nil gives an error
	}
}

// The shared server.
var (
	binary  = cmp.Or(os.Getenv("SLIPWAY_E2E_BINARY"), filepath.Join(top, "build", "slipway"))
	dataDir string
	server  *process
	user    *client.Client
	// before is what lay outside the data directory before the server started.
	before []string
	// others are the tests that run beside each other, after all that run alone.
	others sync.WaitGroup
)

// alone has a test run when no other one of its server does.
func alone(t *testing.T) {
	t.Helper()
	if *lane == "together" {
		t.Skip("has the server to itself")
	}
}

// together lets a test run beside others that neither stop the server nor care for load.
func together(t *testing.T) {
	t.Helper()
	if *lane == "alone" {
		t.Skip("shares the server")
	}
	others.Add(1)
	t.Cleanup(others.Done)
	t.Parallel()
}

// besides is held by the one test that has a server besides the shared one: each takes two
// dozen of the 128 inotify instances that a user may have.
var besides sync.Mutex

// withServer is together, for a test that starts a server of its own.
func withServer(t *testing.T) {
	t.Helper()
	together(t)
	besides.Lock()
	t.Cleanup(besides.Unlock)
}

func inside(m *testing.M) (code int) {
	// So many keep two cores busy beside the other lane; more of them only take longer each.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp(cmp.Or(os.Getenv(diskEnv), "/tmp"), "slw-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dataDir = filepath.Join(dir, "d")
	if err := ownPlaces(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	before = outside()
	user = &client.Client{Server: "http://127.0.0.1:8080", DataDir: dataDir, Namespace: "default"}
	defer os.RemoveAll(dir)
	defer func() {
		server.stop()
		if _, err := os.Stat(dataDir); errors.Is(err, os.ErrNotExist) {
			return // the last test took it away
		}
		if out, err := exec.Command(binary, "reset", "--data", "--data-dir", dataDir).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "reset: %v\n%s", err, out)
			code = 1
		}
	}()
	if server, err = start(); err == nil {
		err = ready(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// process is a running `slipway server`.
type process struct {
	cmd  *exec.Cmd
	done chan error
}

func start(args ...string) (*process, error) {
	if err := os.MkdirAll(filepath.Join(dataDir, "logs"), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dataDir, "logs", "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if err := os.WriteFile(grafanaToken(), []byte(grafanaPassword), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, append([]string{"server", "--data-dir", dataDir, "--seeds", filepath.Join(top, "build", "seed"), "--private-sources", "--remote-includes", "--scrape-interval=10s",
		"--upstreams", "docker.io=http://" + upstreamAddress, "--grafana-url", "http://" + grafanaAddress, "--grafana-credentials", grafanaToken()}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait(); close(p.done) }()
	return p, nil
}

func (p *process) signal(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
	<-p.done
}

func (p *process) stop() {
	if p != nil {
		p.signal(syscall.SIGTERM)
	}
}

func ready(ctx context.Context) error {
	_, err := user.WaitReady(ctx, patience, func(string) {})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, serverLog(30))
	}
	return nil
}

func serverLog(n int) string {
	b, _ := os.ReadFile(filepath.Join(dataDir, "logs", "server.log"))
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// kill ends the server as a power cut would and starts it again.
func kill(t *testing.T) {
	t.Helper()
	server.signal(syscall.SIGKILL)
	restart(t)
}

func restart(t *testing.T) {
	t.Helper()
	var err error
	if server, err = start(); err != nil {
		t.Fatal(err)
	}
	if err := ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// slipway runs a verb and returns what it printed.
func slipway(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Minute) // also in clean-ups
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "SLIPWAY_DATA_DIR="+dataDir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must runs a verb that has to succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := slipway(t, args...)
	if err != nil {
		t.Fatalf("slipway %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// cleanUp runs a verb when the test is over; what it leaves behind is a failure.
func cleanUp(t *testing.T, args ...string) {
	t.Helper()
	t.Cleanup(func() {
		if out, err := slipway(t, args...); err != nil {
			t.Errorf("clean up: slipway %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	})
}

// patience bounds each wait for what has to come. It is for a failure alone, and so far above
// what a wait takes that a busy machine is not mistaken for one; how fast things are is said by
// `make bench`.
const patience = 5 * time.Minute

// within is a context that ends when the patience does.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually fails the test unless ok says nil in the end. Between two looks it waits some
// times as long as one takes: a look that starts a process does not keep the processor from
// what it waits for.
func eventually(t *testing.T, ok func() error) {
	t.Helper()
	var pause time.Duration
	for end := time.Now().Add(patience); ; <-time.After(pause) {
		began := time.Now()
		err := ok()
		pause = min(max(3*time.Since(began), 100*time.Millisecond), time.Second)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %s: %v", patience, err)
		}
	}
}

// status asks url with a token and returns the answer's status.
func status(t *testing.T, method, url, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
