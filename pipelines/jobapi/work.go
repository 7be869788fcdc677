package jobapi

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi/wire"
)

// quiet is how long a stream of events says nothing before it says so.
const quiet = 15 * time.Second

// whileQuiet says something every so often, until what it returns is called.
func whileQuiet(say func()) (hush func()) {
	stop := make(chan struct{})
	var beat sync.WaitGroup
	beat.Go(func() {
		t := time.NewTicker(quiet)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				say()
			}
		}
	})
	return func() {
		close(stop)
		beat.Wait()
	}
}

// stream runs work and sends what it writes as events.
func (c *call) stream(work func(ctx context.Context, progress io.Writer) (v1alpha1.Image, error)) {
	c.streamEvent(func(ctx context.Context, progress io.Writer) (wire.Event, error) {
		image, err := work(ctx, progress)
		if err != nil || image.Name == "" {
			return wire.Event{}, err
		}
		return wire.Event{Image: image.Name + "@" + image.Digest}, nil
	})
}

// streamEvent does so for work that says its last event itself.
func (c *call) streamEvent(work func(ctx context.Context, progress io.Writer) (wire.Event, error)) {
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	rc := http.NewResponseController(c.w)
	_ = rc.EnableFullDuplex()
	e := &events{enc: json.NewEncoder(c.w), flush: rc.Flush}
	hush := whileQuiet(func() { e.send(wire.Event{}) })
	last, err := work(c.r.Context(), e)
	hush()
	e.end()
	if err != nil {
		last = wire.Event{Error: err.Error()}
	}
	last.Done = true
	e.send(last)
}

// events turns lines into events.
type events struct {
	mu    sync.Mutex
	enc   *json.Encoder
	flush func() error
	line  []byte
}

func (e *events) send(v wire.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.put(v)
}

func (e *events) put(v wire.Event) {
	if e.enc.Encode(v) == nil {
		_ = e.flush()
	}
}

// maxLine bounds an event.
const maxLine = 32 << 10

func (e *events) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.line = append(e.line, p...)
	cut := bytes.LastIndexByte(e.line, '\n') + 1
	if cut == 0 && len(e.line) > maxLine {
		cut = len(e.line)
	}
	if cut > 0 {
		e.put(wire.Event{Log: string(e.line[:cut])})
		e.line = append(e.line[:0], e.line[cut:]...)
	}
	return len(p), nil
}

func (e *events) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.line) > 0 {
		e.put(wire.Event{Log: string(e.line)})
		e.line = nil
	}
}

func (c *call) build(ctx context.Context, progress io.Writer) (v1alpha1.Image, error) {
	var b wire.Build
	options := c.r.URL.Query().Get("options")
	if options != "" {
		data, err := base64.RawURLEncoding.DecodeString(options)
		if err == nil {
			err = json.Unmarshal(data, &b)
		}
		if err != nil {
			return v1alpha1.Image{}, errors.New("the build's options are not understood")
		}
	} else if err := json.NewDecoder(io.LimitReader(c.r.Body, wire.MaxReportSize)).Decode(&b); err != nil {
		return v1alpha1.Image{}, errors.New("the build's options are not understood")
	}
	if p := c.job.Build; p != nil {
		b.Dockerfile, b.Target = first(b.Dockerfile, p.Dockerfile), first(b.Target, p.Target)
		b.Context, b.Image = first(b.Context, p.Context), first(b.Image, p.Image)
		if b.Args == nil {
			b.Args = map[string]string{}
		}
		for _, a := range p.Args {
			if _, given := b.Args[a.Name]; !given {
				b.Args[a.Name] = a.Value
			}
		}
	}
	name, err := imageName(b.Image, c.ref.Namespace, c.job.Repository)
	if err == nil {
		err = c.mayPush(ctx, name)
	}
	if err != nil {
		return v1alpha1.Image{}, err
	}
	req := BuildRequest{Namespace: c.ref.Namespace, Name: name, Tag: short(c.job.Commit),
		Dockerfile: b.Dockerfile, Target: b.Target, Args: b.Args}
	dir := path.Clean(first(b.Context, "."))
	if b.Uploaded {
		req.Context = io.LimitReader(c.r.Body, wire.MaxContext)
	} else {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r, w := io.Pipe()
		defer r.Close()
		go func() {
			w.CloseWithError(c.Source.Archive(ctx, c.ref.Namespace, c.job.Repository, c.job.Commit, w))
		}()
		req.Context = r
		if dir != "." {
			req.Context = below(r, dir)
			if rel, ok := strings.CutPrefix(b.Dockerfile, dir+"/"); ok {
				req.Dockerfile = rel
			}
		}
	}
	image, err := c.Builder.Build(ctx, req, progress)
	if err != nil {
		return v1alpha1.Image{}, err
	}
	fmt.Fprintf(progress, "Pushed %s@%s\n", image.Name, image.Digest)
	return image, c.Jobs.Pushed(ctx, c.ref, image)
}

// imageName within the namespace, from what the author wrote: nothing, a name, or the
// full name with the registry.
func imageName(image, namespace, repository string) (string, error) {
	if image == "" {
		return repository, nil
	}
	name, full := strings.CutPrefix(image, v1alpha1.RegistryHost+"/")
	if full {
		var own bool
		if name, own = strings.CutPrefix(name, namespace+"/"); !own {
			return "", fmt.Errorf("image %s: jobs of namespace %s push below %s/%s/", image, namespace, v1alpha1.RegistryHost, namespace)
		}
	}
	name, _, _ = strings.Cut(name, "@")
	name, _, _ = strings.Cut(name, ":")
	return name, nil
}

// mayPush says whether the job may give images the name, within its namespace: its own
// repository's, those below it, and names that no other repository has.
func (c *call) mayPush(ctx context.Context, name string) error {
	owner, _, _ := strings.Cut(name, "/")
	if owner == c.job.Repository {
		return nil
	}
	known, err := c.Jobs.Known(ctx, c.ref.Namespace, owner)
	if err == nil && known {
		err = fmt.Errorf("denied: image %s/%s/%s belongs to repository %s; jobs of %s push to %s/%s/%s ($CI_REGISTRY_IMAGE) and below it",
			v1alpha1.RegistryHost, c.ref.Namespace, name, owner, c.job.Repository, v1alpha1.RegistryHost, c.ref.Namespace, c.job.Repository)
	}
	return err
}

// below gives the entries of a tar.gz that are in dir, with their names within it.
func below(r io.Reader, dir string) io.Reader {
	out, w := io.Pipe()
	go func() {
		gz, err := gzip.NewReader(r)
		if err != nil {
			w.CloseWithError(err)
			return
		}
		tr, tw := tar.NewReader(gz), tar.NewWriter(w)
		found := false
		for {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				w.CloseWithError(err)
				return
			}
			name, in := strings.CutPrefix(path.Clean(h.Name), dir+"/")
			if !in {
				continue
			}
			found = true
			h.Name = name
			if err := tw.WriteHeader(h); err != nil {
				w.CloseWithError(err)
				return
			}
			if _, err := io.Copy(tw, tr); err != nil {
				w.CloseWithError(err)
				return
			}
		}
		if !found {
			w.CloseWithError(fmt.Errorf("build context %q is not a directory in this commit", dir))
			return
		}
		w.CloseWithError(tw.Close())
	}()
	return out
}

func (c *call) deploy(ctx context.Context, progress io.Writer) (v1alpha1.Image, error) {
	var d wire.Deploy
	if err := json.NewDecoder(io.LimitReader(c.r.Body, wire.MaxReportSize)).Decode(&d); err != nil {
		return v1alpha1.Image{}, errors.New("the deployment's options are not understood")
	}
	if p := c.job.Deploy; p != nil {
		d.Application, d.Path, d.Renderer = first(d.Application, p.Application), first(d.Path, p.Path), first(d.Renderer, p.Renderer)
	}
	named := d.Application
	d.Application = first(d.Application, c.job.Repository)
	source := v1alpha1.Source{Repository: c.job.Repository, Path: d.Path, Renderer: d.Renderer}
	desired := v1alpha1.Desired{Commit: c.job.Commit, Sequence: c.job.Sequence, Images: c.built(), Run: c.ref.Run, By: c.job.By}
	if strings.HasPrefix(c.job.Ref, v1alpha1.TagRef("")) {
		desired.Revision = c.job.Ref
	}
	targets, err := c.targets(ctx, d.Application, named != "", progress)
	if err != nil {
		return v1alpha1.Image{}, err
	}
	for _, application := range targets {
		if err := c.Deployer.Deploy(ctx, c.ref.Namespace, application, source, desired); err != nil {
			return v1alpha1.Image{}, err
		}
		fmt.Fprintf(progress, "Application %s: commit %s is desired.\n", application, short(c.job.Commit))
	}
	for _, application := range targets {
		if err := c.Deployer.Wait(ctx, c.ref.Namespace, application, desired, progress); err != nil {
			return v1alpha1.Image{}, err
		}
	}
	return v1alpha1.Image{}, nil
}

// targets are the applications that take what the run builds; why others do not is told. Of
// those that follow a tag it is the one that the job names, where it names one: what
// others are made of may not be built yet.
func (c *call) targets(ctx context.Context, application string, named bool, progress io.Writer) ([]string, error) {
	if c.job.Default {
		why, err := c.Deployer.Follows(ctx, c.ref.Namespace, application, c.job.Ref, c.job.Commit)
		if why == "" || err != nil {
			return []string{application}, err
		}
		fmt.Fprintf(progress, "Application %s %s: built, not deployed.\n", application, why)
		return nil, nil
	}
	names, others, err := c.Deployer.Followers(ctx, c.ref.Namespace, c.job.Repository, c.job.Ref, c.job.Commit)
	if named && strings.HasPrefix(c.job.Ref, v1alpha1.TagRef("")) {
		only := func(name string) bool { return name != application && !strings.HasPrefix(name, application+" ") }
		names, others = slices.DeleteFunc(names, only), slices.DeleteFunc(others, only)
	}
	if len(names) == 0 && err == nil {
		fmt.Fprintf(progress, "%s is not the default branch, has no preview, and no application follows it: built, not deployed.\n", c.job.Ref)
	}
	for _, why := range others[:min(len(others), 10)] {
		fmt.Fprintf(progress, "Application %s.\n", why)
	}
	return names, err
}

// built are the run's images, with what each was built from.
func (c *call) built() []v1alpha1.Image {
	images := slices.Clone(c.job.Images)
	for i := range images {
		images[i].Commit, images[i].Run = c.job.Commit, c.ref.Run
	}
	return images
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
