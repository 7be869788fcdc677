package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"slipway.dev/pipelines/gitlab"
)

// includeTime is how long one file elsewhere may take.
const includeTime = 10 * time.Second

// Elsewhere is what pipeline files may include that is not in their commit.
type Elsewhere struct {
	// DefaultBranch of a repository of the namespace; fs.ErrNotExist where there is none.
	DefaultBranch func(ctx context.Context, namespace, repository string) (string, error)
	// Tags of a repository, by name.
	Tags func(ctx context.Context, namespace, repository string) ([]string, error)
	// Remote fetches a file, or takes one that it has had for no longer than that; nil:
	// the server does not allow it.
	Remote func(ctx context.Context, url string, within time.Duration) ([]byte, error)
}

// includes of one compilation: the repositories of one namespace.
type includes struct {
	Elsewhere
	ctx       context.Context
	source    Source
	namespace string
}

var _ gitlab.Includes = includes{}

// Project implements gitlab.Includes. A repository of another namespace cannot be named.
func (i includes) Project(name, ref string) (gitlab.Files, string, error) {
	if i.DefaultBranch == nil {
		return nil, "", fs.ErrNotExist
	}
	branch, err := i.DefaultBranch(i.ctx, i.namespace, name)
	if err != nil {
		return nil, "", err
	}
	if ref == "" {
		ref = branch
	}
	commit, err := i.source.Resolve(i.ctx, i.namespace, name, ref)
	if err != nil {
		return nil, "", err
	}
	return tree{i.ctx, i.source, i.namespace, name, commit}, commit, nil
}

// Tags implements gitlab.Includes.
func (i includes) Tags(name string) ([]string, error) {
	if i.Elsewhere.Tags == nil {
		return nil, fs.ErrNotExist
	}
	return i.Elsewhere.Tags(i.ctx, i.namespace, name)
}

// Remote implements gitlab.Includes.
func (i includes) Remote(url string, within time.Duration) ([]byte, error) {
	if i.Elsewhere.Remote == nil {
		return nil, errors.New("this server includes no files of others; allow it with the setting remoteIncludes")
	}
	ctx, cancel := context.WithTimeoutCause(i.ctx, includeTime, fmt.Errorf("no answer within %s", includeTime))
	defer cancel()
	content, err := i.Elsewhere.Remote(ctx, url, within)
	if ctx.Err() != nil && err != nil {
		return nil, context.Cause(ctx)
	}
	return content, err
}
