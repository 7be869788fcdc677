package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// diskEnv is the directory for the server's data where it is not the usual one.
const diskEnv = "SLIPWAY_E2E_DISK"

// TestFullDisk fills the disk of a server of its own, which is a file of 5 GiB that
// takes as much as is written.
func TestFullDisk(t *testing.T) {
	withServer(t)
	if os.Getenv(diskEnv) != "" {
		fullDisk(t)
		return
	}
	dir, err := os.MkdirTemp("/tmp", "slwd-") // short: there are Unix sockets below
	if err != nil {
		t.Fatal(err)
	}
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "m")
	command := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	t.Cleanup(func() { command("rm", "-r", "--one-file-system", dir) })
	command("truncate", "--size=5G", image)
	command("mkfs.ext4", "-q", "-m", "0", image)
	command("mkdir", mount)
	command("mount", "-o", "loop", image, mount)
	t.Cleanup(func() { command("umount", mount) })
	if t.Failed() {
		t.FailNow()
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^TestFullDisk$")
	cmd.Env = append(os.Environ(), diskEnv+"="+mount, insideEnv+"=")
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, time.Minute
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// leave so many bytes of the disk free, and return what gives the rest back.
func leave(t *testing.T, free uint64) (file string) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dataDir, &st); err != nil {
		t.Fatal(err)
	}
	have := st.Bavail * uint64(st.Bsize)
	if have < free {
		t.Fatalf("only %d MiB are free", have>>20)
	}
	f, err := os.CreateTemp(filepath.Dir(dataDir), "ballast-")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, int64(have-free)), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// fullDisk: below the reserve what users bring is refused in words and the status
// says so; further down log lines wait; etcd and pods go on all the while; and with
// room again everything goes on.
func fullDisk(t *testing.T) {
	r := newRepo(t, "fed", map[string]string{"deploy/web.yaml": manifest("fed")})
	r.push()
	if _, err := user.WaitApp(t.Context(), r.name, 1); err != nil {
		t.Fatal(err)
	}
	pods := podsOf(t, "app=fed")
	token, err := user.Token()
	if err != nil {
		t.Fatal(err)
	}

	ballast := leave(t, 800<<20)
	before := r.head()
	r.commit()
	if out, err := r.command(token, "push", r.url(), "HEAD:main"); err == nil || !strings.Contains(out, "MiB free") {
		t.Errorf("a push to a full disk: %v\n%s", err, out)
	}
	if head := r.head(); head != before {
		t.Errorf("refused, and yet main is at %s", head)
	}
	if code, text := imageUpload(t, token); code != http.StatusInsufficientStorage || !strings.Contains(text, "MiB free") {
		t.Errorf("an image to a full disk: %d %s", code, text)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(archive, []byte("too much already"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := slipway(t, "image", "seed", "too:much", archive); err == nil || !strings.Contains(out, "MiB free") {
		t.Errorf("a base image to a full disk: %v\n%s", err, out)
	}
	reported(t, false)
	if code := status(t, "GET", user.Server+"/readyz", ""); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", code)
	}
	eventually(t, func() error {
		if out := must(t, "kubectl", "get", "events", "--field-selector=reason=DiskNearlyFull", "-o", "jsonpath={.items[*].message}"); !strings.Contains(out, "MiB free") {
			return fmt.Errorf("no event of the node: %q", out)
		}
		return nil
	})

	// A server that is killed now comes back, and says it again.
	server.signal(syscall.SIGKILL)
	if server, err = start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { _, err := user.Status(t.Context()); return err })
	reported(t, false)

	more := leave(t, 400<<20)
	cleanUp(t, "kubectl", "delete", "pod", "waiting", "--grace-period=1", "--ignore-not-found")
	must(t, "kubectl", "run", "waiting", "--image=busybox", "--restart=Never", "--command", "--", "sh", "-c", "i=0; while sleep 1; do i=$((i+1)); echo a-word-that-waits $i; done")
	eventually(t, func() error {
		said, err := os.ReadFile(filepath.Join(dataDir, "logs", "observe.log"))
		if err != nil || !strings.Contains(string(said), "MiB of disk are free; lines wait on the nodes") || !strings.Contains(serverLog(1000), "logs wait on the node") {
			return fmt.Errorf("the log does not say that lines wait: %v\n%s", err, said)
		}
		return nil
	})
	// etcd takes what it is given, and raises no alarm.
	cleanUp(t, "kubectl", "delete", "configmap", "on-a-full-disk", "--ignore-not-found")
	must(t, "kubectl", "create", "configmap", "on-a-full-disk", "--from-literal=a=b")
	if strings.Contains(serverLog(100000), "NOSPACE") {
		t.Error("etcd is out of space")
	}
	if out := must(t, "kubectl", "get", "nodes", "-o", `jsonpath={.items[0].status.conditions[?(@.type=="DiskPressure")].status}`); out != "False" {
		t.Errorf("the kubelet is about to evict: DiskPressure is %q", out)
	}
	if now := podsOf(t, "app=fed"); now != pods {
		t.Errorf("pods of a healthy release changed:\n%s\n%s", pods, now)
	}

	if err := errors.Join(os.Remove(ballast), os.Remove(more)); err != nil {
		t.Fatal(err)
	}
	if err := ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	reported(t, true)
	r.write(map[string]string{"deploy/web.yaml": strings.Replace(manifest("fed"), "echo started", "echo again", 1)})
	r.push()
	if _, err := user.WaitApp(t.Context(), r.name, 2); err != nil {
		t.Error(err)
	}
	if code, text := imageUpload(t, token); code != http.StatusAccepted {
		t.Errorf("an image, with room again: %d %s", code, text)
	}
	// Every line came, those that waited too, and each once.
	printed := strings.Count(must(t, "kubectl", "logs", "waiting"), "\n")
	eventually(t, func() error {
		stored := must(t, "logs", "a-word-that-waits", "--limit", "1000")
		for i := range printed {
			if n := strings.Count(stored, fmt.Sprintf("a-word-that-waits %d\n", i+1)); n != 1 {
				return fmt.Errorf("line %d of %d came %d times:\n%s", i+1, printed, n, stored)
			}
		}
		return nil
	})
}

// reported asks `slipway status` how the disk is.
func reported(t *testing.T, room bool) {
	t.Helper()
	out, _ := slipway(t, "status") // not ready is an error, and what is asked for here
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "disk" {
			if f[1] != fmt.Sprint(room) || !strings.Contains(line, "free") {
				t.Errorf("status: %s", line)
			}
			return
		}
	}
	t.Errorf("status says nothing of the disk:\n%s", out)
}

// imageUpload begins to push an image as its clients do.
func imageUpload(t *testing.T, token string) (code int, text string) {
	t.Helper()
	ask := func(method, url, authorization string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	code, text = ask("GET", user.Server+"/registry/token?service=registry.slipway.internal&scope=repository:default/fed:pull,push", "Bearer "+token)
	_, text, _ = strings.Cut(text, `"token":"`)
	text, _, ok := strings.Cut(text, `"`)
	if code != http.StatusOK || !ok {
		t.Fatalf("registry token: %d %s", code, text)
	}
	return ask("POST", user.Server+"/v2/default/fed/blobs/uploads/", "Bearer "+text)
}
