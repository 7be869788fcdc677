package jobapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"slipway.dev/pipelines/jobapi/wire"
)

// Services knows the containers beside an attempt.
type Services interface {
	// Services returns when each has started, or ended, or is left out; changed is told
	// of every change before that.
	Services(ctx context.Context, ref Ref, changed func([]wire.Service)) ([]wire.Service, error)
	// ServiceLog opens the last lines that the service at index has printed.
	ServiceLog(ctx context.Context, ref Ref, index int) (io.ReadCloser, error)
}

// ImageInfo is what a pod needs to know of an image beyond its name.
type ImageInfo struct {
	Ports      []int
	Entrypoint []string
}

// Images is the registry, for one namespace: its own images and those of upstreams.
type Images interface {
	ImageInfo(ctx context.Context, namespace, image string) (ImageInfo, error)
	// Describe an image that the registry has.
	Describe(ctx context.Context, namespace, image string) (wire.DockerImage, error)
	// Copy an image, of this machine's kind, into a repository of the namespace, and
	// describe it. It is fetched where it is an upstream's.
	Copy(ctx context.Context, namespace, image, repository, tag string) (wire.DockerImage, error)
	// Login says whether the registry takes the password.
	Login(ctx context.Context, user, password string) error
}

// services streams the states of the services until all have started.
func (c *call) services() {
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	var mu sync.Mutex
	enc, flush := json.NewEncoder(c.w), http.NewResponseController(c.w).Flush
	send := func(s wire.Services) {
		mu.Lock()
		defer mu.Unlock()
		if enc.Encode(s) == nil {
			_ = flush()
		}
	}
	hush := whileQuiet(func() { send(wire.Services{}) })
	list, err := c.Services.Services(c.r.Context(), c.ref, func(list []wire.Service) { send(wire.Services{Services: list}) })
	hush()
	last := wire.Services{Services: list, Done: true}
	if err != nil {
		last.Error = err.Error()
	}
	for i := range list {
		s := &list[i]
		if c.Images == nil || s.Ports != nil || s.State == wire.ServiceLeftOut {
			continue
		}
		// An image that the registry does not know is not waited for.
		if info, err := c.Images.ImageInfo(c.r.Context(), c.ref.Namespace, s.Image); err == nil {
			s.Ports = info.Ports
		}
	}
	send(last)
}

// serviceLog answers GET /services/<index>/log.
func (c *call) serviceLog(rest string) {
	index, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(rest, "/services/"), "/log"))
	if err != nil {
		fail(c.w, http.StatusNotFound, "no such route")
		return
	}
	rc, err := c.Services.ServiceLog(c.r.Context(), c.ref, index)
	if err != nil {
		c.refuse(c.w, c.ref, err)
		return
	}
	defer rc.Close()
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.Copy(c.w, io.LimitReader(rc, wire.MaxServiceLog))
}

// entrypoint fills in that of the image where the job names none. The image is on the
// node by now; one that the registry does not know has none that is known.
func (c *call) entrypoint() {
	if c.Images == nil || c.job.Image.Name == "" || len(c.job.Image.Entrypoint) > 0 {
		return
	}
	info, err := c.Images.ImageInfo(c.r.Context(), c.ref.Namespace, c.job.Image.Name)
	if err == nil && len(info.Entrypoint) > 0 {
		c.job.Wire.Entrypoint, c.job.Wire.ImageEntrypoint = info.Entrypoint, true
	}
}
