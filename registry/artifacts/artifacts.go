// Package artifacts owns how plans, run artifacts and release sets are kept as
// OCI artifacts in the registry. It never interprets their bytes and never holds
// them whole in memory.
//
// Start at Store, the contract; New makes the one that talks to a registry's API
// through a round tripper; artifactstest has the suite that every Store passes.
package artifacts

import (
	"context"
	"errors"
	"io"
)

// Prefix is the reserved repository prefix below which the registry lets nobody
// in but the server itself. It is embedded.ArtifactPrefix.
const Prefix = "slipway__artifacts"

// ErrNotFound: there is no such artifact.
var ErrNotFound = errors.New("artifact not found")

// Store keeps artifacts by repository ("default/runs/hello-1") and tag or digest.
//
// Put is atomic and durable: when it returns, the artifact is on disk under its
// digest and, if tag is not empty, under the tag, replacing what the tag had; when
// it fails, or r does, the tag is as before. Putting the same bytes of the same
// media type again gives the same digest and is cheap. The digest names the
// artifact in Get and Delete; size is that of the content.
//
// Get streams the content. Reading to the end verifies it: a reader that returned
// io.EOF has given exactly what was put. The caller closes it.
//
// Delete by tag or digest removes the artifact and every tag on it, and returns
// ErrNotFound if there is none. All methods may be called concurrently.
type Store interface {
	Put(ctx context.Context, repo, tag, mediaType string, r io.Reader) (digest string, size int64, err error)
	Get(ctx context.Context, repo, ref string) (io.ReadCloser, error)
	Delete(ctx context.Context, repo, ref string) error
}
