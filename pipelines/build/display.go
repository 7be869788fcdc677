package build

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
)

// keptOutput of the step that is running is what a failure quotes.
const keptOutput = 8 << 10

// display prints progress and remembers the end of each step's output.
type display struct {
	to     io.Writer
	output map[digest.Digest][]byte
	failed digest.Digest
}

func newDisplay(to io.Writer) *display {
	return &display{to: to, output: map[digest.Digest][]byte{}}
}

// run reads the states to their end, whatever happens to the printing: the solver
// waits for its reader.
func (d *display) run(states <-chan *client.SolveStatus) error {
	shown := make(chan *client.SolveStatus)
	done := make(chan struct{})
	ui, err := progressui.NewDisplay(d.to, progressui.PlainMode)
	if err != nil {
		return fmt.Errorf("build progress: %w", err)
	}
	go func() {
		defer close(done)
		// It ends when shown is closed; the build's own context would cut off the
		// lines that say why it failed.
		_, _ = ui.UpdateFrom(context.Background(), shown)
	}()
	for s := range states {
		d.note(s)
		shown <- s
	}
	close(shown)
	<-done
	return nil
}

func (d *display) note(s *client.SolveStatus) {
	for _, l := range s.Logs {
		kept := append(d.output[l.Vertex], l.Data...)
		if len(kept) > keptOutput {
			kept = kept[len(kept)-keptOutput:]
		}
		d.output[l.Vertex] = kept
	}
	for _, v := range s.Vertexes {
		switch {
		case v.Error != "" && !strings.Contains(v.Error, context.Canceled.Error()):
			d.failed = v.Digest
		case v.Completed != nil && v.Error == "":
			delete(d.output, v.Digest)
		}
	}
}

// lastOutput is what the failed step said at the end.
func (d *display) lastOutput() string {
	return strings.TrimSpace(string(d.output[d.failed]))
}
