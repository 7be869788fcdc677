package git

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// gitArgs are the settings that every git process of ours runs with, whatever
// a configuration file says. fsync of everything: an acknowledged push is on disk.
// Old commits with harmless faults in their dates and modes are let in, as the
// large forges do; everything else that fsck calls an error is refused. Objects may be
// asked for by name, as version 2 of the protocol always allows and partial clones need.
func gitArgs(maxPack int64) []string {
	set := []string{
		"core.hooksPath=/dev/null", "core.fsync=all", "core.fsyncMethod=fsync", "safe.directory=*",
		"core.alternateRefsCommand=true", "gc.auto=0", "gc.packRefs=false", "receive.autogc=false", "receive.unpackLimit=1",
		"receive.fsckObjects=true", "receive.advertisePushOptions=true", "receive.keepAlive=5",
		"receive.maxInputSize=" + strconv.FormatInt(maxPack, 10),
		"receive.denyDeleteCurrent=refuse", "receive.denyNonFastForwards=false",
		"uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true",
		"uploadpack.keepAlive=5", "pack.threads=1", "pack.windowMemory=64m", "pack.deltaCacheSize=64m",
		"core.packedGitLimit=256m", "core.bigFileThreshold=32m", "protocol.allow=never",
	}
	for _, id := range []string{"zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone", "missingEmail", "missingNameBeforeEmail", "badDateOverflow"} {
		set = append(set, "receive.fsck."+id+"=warn")
	}
	args := make([]string, 0, 2*len(set))
	for _, s := range set {
		args = append(args, "-c", s)
	}
	return args
}

// gitCommand is a git process with fixed arguments in a directory of ours. No
// string of a user is ever an argument; dir comes from Store.path.
func (h *Host) gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.gitPath(), append(gitArgs(h.maxPack()), args...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=/nonexistent", "XDG_CONFIG_HOME=/nonexistent",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ATTR_NOSYSTEM=1"}
	// git starts helpers of its own: end them together.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// protocol lets the client's choice of protocol version through, and nothing else.
func protocol(r *http.Request, service string) string {
	v := r.Header.Get("Git-Protocol")
	switch {
	case v == "version=1":
		return v
	case service == "git-upload-pack" && (v == "version=2" || strings.HasPrefix(v, "version=2:")) && len(v) < 64 && !strings.ContainsAny(v, "\x00\n"):
		return "version=2"
	}
	return ""
}

var errBody = errors.New("request body")

// body is the request's bytes, unpacked, limited, and with a bound on how long
// the client may be silent, so that a stalled one does not keep a place.
func (h *Host) body(w http.ResponseWriter, r *http.Request) (io.Reader, error) {
	limit := h.maxPack() + maxHead + 1<<20
	rc := http.NewResponseController(w)
	var in io.Reader = &idleReader{r: http.MaxBytesReader(w, r.Body, limit), set: rc.SetReadDeadline, idle: h.idle()}
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("%w: not gzip: %w", errBody, err)
		}
		in = &limitReader{r: z, left: limit}
	default:
		return nil, fmt.Errorf("%w: unknown content encoding", errBody)
	}
	return in, nil
}

// idleReader bounds each read. When there is no more to read it lets the bound
// go: the client then waits, rightly, for as long as git works.
type idleReader struct {
	r    io.Reader
	set  func(time.Time) error
	idle time.Duration
}

func (i *idleReader) Read(p []byte) (int, error) {
	_ = i.set(time.Now().Add(i.idle))
	n, err := i.r.Read(p)
	_ = i.set(time.Time{})
	return n, err
}

// limitReader fails, rather than ends, where the limit is.
type limitReader struct {
	r    io.Reader
	left int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("%w: %w", errBody, ErrLimit)
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// flushWriter sends every write on at once: people watch the progress lines.
type flushWriter struct {
	w  io.Writer
	rc *http.ResponseController
	// idle bounds how long one write may take.
	idle time.Duration
}

func (f *flushWriter) Write(p []byte) (int, error) {
	_ = f.rc.SetWriteDeadline(time.Now().Add(f.idle))
	n, err := f.w.Write(p)
	if err == nil {
		err = f.rc.Flush()
	}
	// HTTP/2 would end the stream at the deadline though nothing is being written.
	_ = f.rc.SetWriteDeadline(time.Time{})
	return n, err
}

// tailBuffer keeps the first bytes of what a process says on standard error.
type tailBuffer struct{ b bytes.Buffer }

func (t *tailBuffer) Write(p []byte) (int, error) {
	if room := 4096 - t.b.Len(); room > 0 {
		t.b.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

func (t *tailBuffer) String() string { return clip(strings.TrimSpace(t.b.String()), 4096) }
