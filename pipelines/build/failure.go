package build

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Failure is a build that failed for what the Dockerfile says.
type Failure struct {
	// File and Line of the instruction; Line is 0 when no one line is to blame.
	File string
	Line int
	// Excerpt of the file around the line, with the line marked.
	Excerpt string
	// Output is the end of what the step printed.
	Output string
	// Reason, as "exit code: 1".
	Reason string
}

// Error is one line: where, and why.
func (f *Failure) Error() string {
	if f.Line == 0 {
		return "build from " + f.File + ": " + f.Reason
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Reason)
}

// explain turns an error of the solver into one for a person, and prints it where
// the progress went.
func explain(err error, r Request, d *display, progress io.Writer) error {
	if code := status.Code(rootGRPC(err)); code == codes.Unavailable && len(errdefs.Sources(err)) == 0 {
		return fmt.Errorf("buildkit does not answer, or ended during the build; run it again: %w", err)
	}
	f := &Failure{File: r.Dockerfile, Reason: reason(err, r), Output: d.lastOutput()}
	for _, source := range errdefs.Sources(err) {
		if source.Info == nil || len(source.Ranges) == 0 {
			continue
		}
		if path.Base(source.Info.Filename) == path.Base(r.Dockerfile) {
			f.File = r.Dockerfile
		}
		f.Line = int(source.Ranges[0].Start.Line)
		var excerpt bytes.Buffer
		if source.Print(&excerpt) == nil {
			f.Excerpt = excerpt.String()
		}
	}
	_, _ = fmt.Fprintf(progress, "\n%sERROR: %s\n", f.Excerpt, f.Error())
	return f
}

// rootGRPC finds the innermost error that carries a status.
func rootGRPC(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if s, ok := e.(interface{ GRPCStatus() *status.Status }); ok && s.GRPCStatus() != nil {
			return e
		}
	}
	return nil
}

// noise that the solver puts before what went wrong.
var noise = []string{"failed to solve: ", "failed to load cache key: ", "dockerfile parse error on line "}

// checksumOf names a snapshot that means nothing to people.
var checksumOf = regexp.MustCompile(`failed to compute cache key: failed to calculate checksum of ref \S+: `)

func reason(err error, r Request) string {
	text := checksumOf.ReplaceAllString(err.Error(), "")
	for again := true; again; {
		again = false
		for _, n := range noise[:2] {
			if rest, ok := strings.CutPrefix(text, n); ok {
				text, again = rest, true
			}
		}
	}
	if strings.HasPrefix(text, noise[2]) {
		if _, rest, ok := strings.Cut(text[len(noise[2]):], ": "); ok {
			text = rest
		}
	}
	switch {
	case strings.Contains(text, "not allowed by policy"), strings.Contains(text, "source denied by policy"):
		text += "; a build reads images and its context only, not Git or HTTP addresses"
	case strings.Contains(text, "failed to resolve source metadata") && strings.Contains(text, "503 Service Unavailable"):
		text += "; the base image is neither cached nor seeded and its registry cannot be reached: connect the network, or run: slipway image seed NAME FILE"
	case strings.Contains(text, "insufficient_scope"):
		text += fmt.Sprintf("; the build may not pull a base image, or not push to %s/%s", r.Namespace, r.Name)
	}
	return text
}
