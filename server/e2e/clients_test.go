package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestClientVerbs: what verbs print as a table, with more columns, as JSON and as YAML.
func TestClientVerbs(t *testing.T) {
	together(t)
	r := newRepo(t, "clients", map[string]string{"deploy/web.yaml": manifest("clients"), ".gitlab-ci.yml": `
say: {image: busybox, script: [echo said]}
there: {image: busybox, script: [echo there], environment: {name: there, url: "http://there.example"}}
`})
	must(t, "app", "create", r.name)
	r.push()
	r.succeeded()
	if _, err := user.WaitApp(within(t), r.name, 1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		header string // of the table
		wide   string // a column that only -o wide has
		row    string
	}{
		{"app list", "NAME RELEASE HEALTH SYNC ADDRESS MESSAGE", "REPOSITORY", "clients"},
		{"app get clients", "NAME RELEASE HEALTH", "PATH", "clients"},
		{"app history clients", "RELEASE RESULT COMMIT", "", "Healthy"},
		{"run list --repo clients", "NAME PHASE REF COMMIT AGE MESSAGE", "CAUSE", "clients-1"},
		{"run get clients-1", "JOB STAGE PHASE ATTEMPT DURATION MESSAGE", "REASON", "say"},
		{"repo list", "NAME URL BRANCH COMMIT", "", "clients"},
		{"repo get clients", "NAME URL BRANCH COMMIT", "", "clients"},
		{"environment list", "NAME REPOSITORY ENVIRONMENT STATE", "TIER", "there"},
		{"token list", "ID USER NAMESPACE ROLE EXPIRES", "", "admin"},
		{"status", "COMPONENT READY MESSAGE", "SINCE", "etcd"},
	} {
		t.Run(c.args, func(t *testing.T) {
			args := strings.Fields(c.args)
			out := must(t, args...)
			header, _, _ := strings.Cut(out, "\n")
			if !strings.HasPrefix(strings.Join(strings.Fields(header), " "), c.header) || !strings.Contains(out, c.row) {
				t.Errorf("want %s and %s:\n%s", c.header, c.row, out)
			}
			wide, _, _ := strings.Cut(must(t, append(args, "-o", "wide")...), "\n")
			if c.wide != "" && (strings.Contains(header, c.wide) || !strings.Contains(wide, c.wide)) {
				t.Errorf("column %s: %q, wide %q", c.wide, header, wide)
			}
			var fromJSON, fromYAML any
			if err := json.Unmarshal([]byte(must(t, append(args, "--output=json")...)), &fromJSON); err != nil || fromJSON == nil {
				t.Errorf("JSON: %v", err)
			}
			if err := yaml.Unmarshal([]byte(must(t, append(args, "-oyaml")...)), &fromYAML); err != nil || fromYAML == nil {
				t.Errorf("YAML: %v", err)
			}
		})
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := must(t, "completion", shell); !strings.Contains(out, "slipway") || len(out) < 1000 {
			t.Errorf("completion for %s: %q", shell, out)
		}
	}
	if out := must(t, "__complete", "app", "ro"); !strings.Contains(out, "rollback\t") {
		t.Errorf("completion of a verb: %s", out)
	}
}

// TestUsageErrors: what does not fit is told from what fails, by the exit status 2.
func TestUsageErrors(t *testing.T) {
	together(t)
	for _, args := range []string{
		"nonsense", "app nonsense", "run nonsense", "app get", "app get a b", "app list extra", "app list -o xml", "status --no-such-flag",
		"app rollback x first", "run logs x --attempt 2", "run rerun x --failed --from y", "repo add x --forge gitea", "server --etcd-port 0",
		"run list --limit -1", "status extra",
	} {
		out, err := slipway(t, strings.Fields(args)...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.HasPrefix(out, "slipway: ") {
			t.Errorf("slipway %s: %v, want exit status 2\n%s", args, err, out)
		}
	}
	for _, args := range []string{"app get no-such-app", "run wait no-such-run --timeout 1s", "repo sync no-such-repo"} {
		out, err := slipway(t, strings.Fields(args)...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("slipway %s: %v, want exit status 1\n%s", args, err, out)
		}
	}
	if out := must(t, "app"); !strings.Contains(out, "rollback") {
		t.Errorf("slipway app: %s", out)
	}
}

// TestWatchFlag: -w prints what is there, then what changes, and ends well when it is
// interrupted; waits say on the side how things are.
func TestWatchFlag(t *testing.T) {
	together(t)
	r := newRepo(t, "watched-verbs", map[string]string{"deploy/web.yaml": manifest("watched-verbs")})
	apps, runs := following(t, "app", "list", "-w"), following(t, "run", "list", "--repo", r.name, "-w", "-o", "wide")
	apps.has(t, "NAME ")
	runs.has(t, "NAME ")
	r.push()
	runs.has(t, "\nwatched-verbs-1 ")
	jobs := following(t, "run", "get", "watched-verbs-1", "-w")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	wait := exec.CommandContext(ctx, binary, "app", "wait", r.name, "--release", "1")
	wait.Env = append(os.Environ(), "SLIPWAY_DATA_DIR="+dataDir)
	var said, printed bytes.Buffer
	wait.Stderr, wait.Stdout = &said, &printed
	eventually(t, func() error {
		if out, err := slipway(t, "app", "get", r.name); err != nil {
			return fmt.Errorf("%w %s", err, out)
		}
		return nil
	})
	if err := wait.Run(); err != nil || !strings.Contains(said.String(), "watched-verbs: release 1 is Healthy") || strings.Contains(printed.String(), "release 1 is") {
		t.Errorf("%v\non the side: %s\nprinted: %s", err, said.String(), printed.String())
	}
	apps.has(t, "\nwatched-verbs   ")
	apps.has(t, "Healthy")
	runs.has(t, "Succeeded")
	jobs.has(t, "Succeeded")
	must(t, "app", "delete", r.name)
	apps.has(t, "watched-verbs (deleted)")
	for _, o := range []*output{apps, runs, jobs} {
		o.interrupt(t)
	}
	if out := must(t, "status", "--wait"); strings.Contains(out, "waiting") && !strings.Contains(out, "COMPONENT") {
		t.Errorf("status --wait: %s", out)
	}
}

// output of a verb that goes on.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
	cmd *exec.Cmd
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

var _ io.Writer = (*output)(nil)

func following(t *testing.T, args ...string) *output {
	t.Helper()
	o := &output{cmd: exec.CommandContext(t.Context(), binary, args...)}
	o.cmd.Env = append(os.Environ(), "SLIPWAY_DATA_DIR="+dataDir)
	o.cmd.Stdout, o.cmd.Stderr = o, o
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *output) has(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		if !strings.Contains(o.all.String(), text) {
			return fmt.Errorf("%v does not print %q:\n%s", o.cmd.Args[1:], text, o.all.String())
		}
		return nil
	})
}

func (o *output) interrupt(t *testing.T) {
	t.Helper()
	if err := errors.Join(o.cmd.Process.Signal(os.Interrupt), o.cmd.Wait()); err != nil {
		t.Errorf("%v: %v\n%s", o.cmd.Args[1:], err, o.all.String())
	}
}
