package daemon

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/git"
	"slipway.dev/pipelines/run"
)

// maxRemoteInclude is the largest file of another server in a pipeline.
const maxRemoteInclude = 1 << 20

// elsewhere is what pipeline files may include: the repositories of their namespace
// and, where the configuration allows it, files of other servers.
func (s *services) elsewhere(c client.Reader) run.Elsewhere {
	e := run.Elsewhere{
		DefaultBranch: func(ctx context.Context, namespace, name string) (string, error) {
			var repo slipway.Repository
			err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &repo)
			if apierrors.IsNotFound(err) || apierrors.IsInvalid(err) {
				return "", fmt.Errorf("repository %s: %w", name, fs.ErrNotExist)
			}
			if repo.Spec.DefaultBranch != "" {
				return repo.Spec.DefaultBranch, err
			}
			return repo.Status.DefaultBranch, err
		},
		Tags: s.git.Store.Tags,
	}
	if s.conf.RemoteIncludes {
		e.Remote = run.Remembered(fetcher(git.Remote{Private: s.conf.PrivateSources}.HTTP()), time.Now)
	}
	return e
}

// fetcher of small public files.
func fetcher(c *http.Client) func(ctx context.Context, url string) ([]byte, error) {
	return func(ctx context.Context, url string) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		answer, err := c.Do(r)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the server answers %s", answer.Status)
		}
		body, err := io.ReadAll(io.LimitReader(answer.Body, maxRemoteInclude+1))
		if err == nil && len(body) > maxRemoteInclude {
			err = fmt.Errorf("the file has more than %d bytes", maxRemoteInclude)
		}
		return body, err
	}
}
