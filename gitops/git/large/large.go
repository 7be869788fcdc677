// Package large makes large repositories, to measure with: the same ones each time,
// through git's own fast-import. It is for benchmarks and soak tests; nothing that
// serves uses it. Start at Make.
package large

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
)

// Shape of a repository.
type Shape struct {
	Commits int
	// Files that there are, in directories of a hundred; each commit writes one anew.
	Files int
	// Bytes of a file, of which half are noise that nothing compresses.
	Bytes int
	// Seed of the noise; another one makes other commits.
	Seed uint64
}

// Soak is about 1 GB in 400,000 objects; Bench a tenth of it.
var (
	Soak  = Shape{Commits: 100_000, Files: 5_000, Bytes: 20_000}
	Bench = Shape{Commits: 10_000, Files: 2_000, Bytes: 20_000}
)

// Make fills dir, which must not be there, with a bare repository with a branch main.
func Make(ctx context.Context, dir string, s Shape) error {
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("%s is there already", dir)
	}
	if out, err := exec.CommandContext(ctx, "git", "init", "-q", "--bare", "-b", "main", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("git init: %w: %s", err, out)
	}
	// Half of it compresses well at any level and half at none: the least is most of the time saved.
	cmd := exec.CommandContext(ctx, "git", "--git-dir", dir, "-c", "pack.compression=1", "fast-import", "--quiet", "--done")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w := bufio.NewWriterSize(in, 1<<20)
	return errors.Join(s.write(w), w.Flush(), in.Close(), cmd.Wait())
}

// write the stream of fast-import.
func (s Shape) write(w io.Writer) error {
	r := rand.New(rand.NewPCG(s.Seed, uint64(s.Commits)))
	noise := make([]byte, s.Bytes/2)
	text := make([]byte, 0, s.Bytes/2+100)
	for i := range s.Commits {
		for at := 0; at < len(noise); at += 8 {
			x := r.Uint64()
			for b := 0; b < 8 && at+b < len(noise); b++ {
				noise[at+b] = byte(x >> (8 * b))
			}
		}
		file := i % s.Files
		text = text[:0]
		for n := 0; len(text) < s.Bytes/2; n++ {
			text = strconv.AppendInt(append(text, "line "...), int64(n), 10)
			text = append(strconv.AppendInt(append(text, " of file "...), int64(file), 10), '\n')
		}
		message := fmt.Sprintf("Change file %d, for the %dth time\n", file, i/s.Files+1)
		when := 1_500_000_000 + i*60
		if _, err := fmt.Fprintf(w, "commit refs/heads/main\ncommitter Ann <ann@example.org> %d +0000\ndata %d\n%s", when, len(message), message); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "M 100644 inline dir%d/file%d\ndata %d\n", file/100, file, len(text)+len(noise)); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		if _, err := w.Write(noise); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "done\n")
	return err
}
