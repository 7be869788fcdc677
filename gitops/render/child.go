package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// treeFD is where the child finds the directory, opened by its parent: so it
// needs no right to any path above it.
const treeFD = 3

// response is what the child writes: the set, or why not.
type response struct {
	Set   json.RawMessage `json:"set,omitempty"`
	Error *Error          `json:"error,omitempty"`
}

// Command is the hidden verb `render`, which the server runs as its own child
// where the small program slipway-render is not at hand.
func Command() *cobra.Command {
	return &cobra.Command{
		Use:    "render",
		Short:  "Render a directory (request on stdin, directory as descriptor 3, set on stdout)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return Main(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// Main is the whole of the child: one request in, one response out.
func Main(in io.Reader, out io.Writer) error {
	if err := confine(); err != nil {
		return err
	}
	http.DefaultTransport = noNetwork{}
	var req Request
	decoder := json.NewDecoder(io.LimitReader(in, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&req); err != nil {
		return fmt.Errorf("render: request: %w", err)
	}
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", treeFD))
	if err != nil {
		return fmt.Errorf("render: directory: %w", err)
	}
	defer root.Close()
	var resp response
	set, err := Render(root, req)
	switch {
	case err == nil:
		resp.Set = set.Bytes()
	case !errors.As(err, &resp.Error):
		resp.Error = &Error{Message: err.Error()}
	}
	return json.NewEncoder(out).Encode(resp)
}

// confine gives up what the child does not need, before it reads any input.
// RLIMIT_DATA counts writable memory only; RLIMIT_AS would count what Go reserves.
func confine() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("render: no_new_privs: %w", err)
	}
	memory, cpu := fromEnv(memoryEnv, memoryLimit), fromEnv(cpuEnv, cpuSeconds)
	debug.SetMemoryLimit(int64(memory / 4 * 3))
	debug.SetMaxStack(64 << 20)
	for resource, n := range map[int]uint64{
		unix.RLIMIT_DATA: memory, unix.RLIMIT_CPU: cpu, unix.RLIMIT_NOFILE: 256,
		unix.RLIMIT_FSIZE: 0, unix.RLIMIT_CORE: 0,
	} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("render: limit %d: %w", resource, err)
		}
	}
	return nil
}

func fromEnv(key string, fallback uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(key), 10, 63); err == nil && n > 0 {
		return n
	}
	return fallback
}
