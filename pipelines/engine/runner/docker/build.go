package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"slipway.dev/pipelines/engine/runner/runjob"
	"slipway.dev/pipelines/jobapi/wire"
)

// maxDockerfile bounds a Dockerfile that lies outside of its context.
const maxDockerfile = 1 << 20

// build is docker build, docker image build and docker buildx build.
func (t *tool) build(ctx context.Context, args []string, _ bool) error {
	b, err := parseBuild(args, t.env)
	if err != nil {
		return err
	}
	return t.make(ctx, b)
}

// make builds what b says, remembers it by its names, and pushes it where that is asked.
func (t *tool) make(ctx context.Context, b *buildArgs) error {
	body, done, err := t.material(b)
	if err != nil {
		return err
	}
	defer done()
	c, err := t.client()
	if err != nil {
		return err
	}
	progress := t.errOut
	var quiet bytes.Buffer
	if b.quiet {
		progress = &quiet
	}
	made, err := c.AskDocker(ctx, "/docker/build", body, progress)
	if err != nil {
		_, _ = quiet.WriteTo(t.errOut)
		return fmt.Errorf("build: %w", err)
	}
	names := b.tags
	if len(names) == 0 {
		names = []string{""} // known by its digest alone
	}
	var images []image
	for _, n := range names {
		images = append(images, image{Name: n, DockerImage: *made})
	}
	if err := t.store.put(images...); err != nil {
		return err
	}
	if b.quiet {
		fmt.Fprintln(t.out, made.Digest)
	}
	for _, n := range b.tags {
		fmt.Fprintf(progress, "Built %s (%s)\n", n, made.Digest)
	}
	if b.idFile != "" {
		if err := os.WriteFile(b.idFile, []byte(made.Digest), 0o644); err != nil {
			return fmt.Errorf("build: %w", err)
		}
	}
	if err := b.metadata(made); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if b.push {
		for _, n := range b.tags {
			if err := t.pushOne(ctx, c, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *buildArgs) metadata(made *wire.DockerImage) error {
	if b.metadataFile == "" {
		return nil
	}
	m := map[string]any{"containerimage.digest": made.Digest, "containerimage.config.digest": made.Config}
	if len(b.tags) > 0 {
		m["image.name"] = b.tags[0]
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.metadataFile, append(data, '\n'), 0o644)
}

// material is the request's body: a line of options, then the context as a tar.gz. It
// can be opened again, so what comes from standard input is kept in a file.
func (t *tool) material(b *buildArgs) (open func() (io.ReadCloser, error), done func(), err error) {
	done = func() {}
	if b.context == "-" {
		return t.fromInput(b)
	}
	dir, err := filepath.Abs(b.context)
	if err != nil {
		return nil, done, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, done, fmt.Errorf("build: context %q is not a directory", b.context)
	}
	if err := t.dockerfile(b, dir); err != nil {
		return nil, done, err
	}
	options, err := b.line()
	if err != nil {
		return nil, done, err
	}
	ignore, err := ignored(dir, b.Dockerfile)
	if err != nil {
		return nil, done, err
	}
	return runjob.Piped(func(w io.Writer) error {
		if _, err := w.Write(options); err != nil {
			return err
		}
		return runjob.TarDir(w, dir, ignore)
	}), done, nil
}

func (b *buildArgs) line() ([]byte, error) {
	data, err := json.Marshal(b.DockerBuild)
	return append(data, '\n'), err
}

// dockerfile finds it: within the context by its path there, else by its text.
func (t *tool) dockerfile(b *buildArgs, dir string) error {
	switch b.file {
	case "":
		b.Dockerfile = "Dockerfile"
		if _, err := os.Stat(filepath.Join(dir, b.Dockerfile)); err != nil {
			return fmt.Errorf("build: there is no Dockerfile in %s; name one with -f", b.context)
		}
		return nil
	case "-":
		text, err := readAll(t.in, maxDockerfile)
		b.DockerfileText = text
		return err
	}
	file, err := filepath.Abs(b.file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil || info.IsDir() {
		return fmt.Errorf("build: Dockerfile %q is not a file", b.file)
	}
	if rel, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(rel) {
		b.Dockerfile = filepath.ToSlash(rel)
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	defer f.Close()
	b.DockerfileText, err = readAll(f, maxDockerfile)
	return err
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("build: the Dockerfile is longer than %d bytes", limit)
	}
	return data, err
}

// fromInput takes the context from standard input: an archive, or a Dockerfile alone.
func (t *tool) fromInput(b *buildArgs) (func() (io.ReadCloser, error), func(), error) {
	none := func() {}
	in := bufio.NewReader(t.in)
	magic, _ := in.Peek(512)
	if len(magic) == 0 {
		return nil, none, errors.New("build: standard input is empty; it must be a Dockerfile or a tar archive")
	}
	archive := bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) || len(magic) > 262 && string(magic[257:262]) == "ustar"
	if !archive {
		text, err := readAll(in, maxDockerfile)
		if err != nil {
			return nil, none, err
		}
		b.DockerfileText = text
		options, err := b.line()
		if err != nil {
			return nil, none, err
		}
		empty, err := os.MkdirTemp("", "docker-*")
		if err != nil {
			return nil, none, err
		}
		return runjob.Piped(func(w io.Writer) error {
			if _, err := w.Write(options); err != nil {
				return err
			}
			return runjob.TarDir(w, empty, nil)
		}), func() { os.RemoveAll(empty) }, nil
	}
	b.Dockerfile = b.file
	options, err := b.line()
	if err != nil {
		return nil, none, err
	}
	f, err := os.CreateTemp("", "docker-*")
	if err != nil {
		return nil, none, err
	}
	done := func() { f.Close(); os.Remove(f.Name()) }
	if _, err := io.Copy(f, io.LimitReader(in, wire.MaxContext)); err != nil {
		return nil, done, err
	}
	return func() (io.ReadCloser, error) {
		r, err := os.Open(f.Name())
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(options), r), r}, nil
	}, done, nil
}

// basic is the user and password of a registry as config.json has them.
func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}
