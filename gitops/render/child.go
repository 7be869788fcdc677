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

// job is what a child is asked: one of these.
type job struct {
	Render  *Request    `json:"render,omitempty"`
	Decrypt *Decryption `json:"decrypt,omitempty"`
	Find    *IndexQuery `json:"find,omitempty"`
}

// response is what the child writes: the result of its job, or why not.
type response struct {
	Set   json.RawMessage `json:"set,omitempty"`
	Needs []Need          `json:"needs,omitempty"`
	Reads []Read          `json:"reads,omitempty"`
	Clock Clock           `json:"clock,omitempty"`
	Plain []Plain         `json:"plain,omitempty"`
	Entry *IndexEntry     `json:"entry,omitempty"`
	Error *Error          `json:"error,omitempty"`
}

// Command is the hidden verb `render`, which the server runs as its own child
// where the small programs are not at hand.
func Command(charts ChartRenderer) *cobra.Command {
	return &cobra.Command{
		Use:    "render",
		Short:  "Render a directory (job on stdin, directory as descriptor 3, result on stdout)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return Main(cmd.InOrStdin(), cmd.OutOrStdout(), charts)
		},
	}
}

// Main is the whole of the child: one job in, one response out. Without a
// ChartRenderer it cannot render charts, and says so.
func Main(in io.Reader, out io.Writer, charts ChartRenderer) error {
	if err := confine(); err != nil {
		return err
	}
	http.DefaultTransport = noNetwork{}
	j, err := readJob(in)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", treeFD))
	if err != nil {
		return fmt.Errorf("render: directory: %w", err)
	}
	defer root.Close()
	resp, err := j.do(root, charts)
	if err != nil && !errors.As(err, &resp.Error) {
		resp.Error = &Error{Message: err.Error()}
	}
	return json.NewEncoder(out).Encode(resp)
}

func readJob(in io.Reader) (j job, err error) {
	decoder := json.NewDecoder(io.LimitReader(in, maxRequestBytes))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&j); err != nil {
		return j, fmt.Errorf("render: job: %w", err)
	}
	return j, nil
}

func (j job) do(root *os.Root, charts ChartRenderer) (resp response, err error) {
	switch {
	case j.Render != nil:
		var a *Answer
		if a, err = Render(root, *j.Render, charts); err != nil {
			return resp, err
		}
		if resp.Needs, resp.Reads, resp.Clock = a.Needs, a.Reads, a.Clock; a.Set != nil {
			resp.Set = a.Set.Bytes()
		}
	case j.Decrypt != nil:
		resp.Plain, err = Decrypt(root, *j.Decrypt)
	case j.Find != nil:
		resp.Entry, err = Find(root, *j.Find)
	default:
		err = errors.New("render: an empty job")
	}
	return resp, err
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
