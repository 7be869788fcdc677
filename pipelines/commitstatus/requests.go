package commitstatus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
)

// maxRequest of what a forge says of one merge request.
const maxRequest = 1 << 20

// MergeRequest asks the forge how one merge request is. It is all that a forge is asked.
func (r *Reporter) MergeRequest(ctx context.Context, repo *v1alpha1.Repository, number int64) (state string, updated time.Time, err error) {
	t, err := TargetOf(repo)
	if err != nil {
		return "", time.Time{}, err
	}
	token, err := r.token(ctx, repo, t)
	if err != nil {
		return "", time.Time{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	id := strconv.FormatInt(number, 10)
	path, read := append(append([]string{"repos"}, strings.Split(t.Project, "/")...), "pulls", id), readRequest
	switch t.Kind {
	case GitLab:
		path = []string{"projects", t.Project, "merge_requests", id}
	case Bitbucket:
		path, read = t.bitbucketPull(id), readPull
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.at(path), nil)
	if err != nil {
		return "", time.Time{}, err
	}
	t.sign(req, token)
	h := *r.HTTP
	h.CheckRedirect = sameHost
	res, err := h.Do(req)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%s cannot be asked: %w", t.API.Host, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRequest))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%s: %w", t.API.Host, err)
	}
	if t.Kind == Bitbucket && deletedPull(res.StatusCode, body) {
		return v1alpha1.MergeRequestClosed, time.Now(), nil
	}
	if res.StatusCode != http.StatusOK {
		return "", time.Time{}, fmt.Errorf("%s does not say how request %d of %s is (%d%s)", t.API.Host, number, t.Project, res.StatusCode, says(body, token))
	}
	return read(body)
}

// readRequest reads GitHub's, Gitea's and GitLab's form.
func readRequest(body []byte) (state string, updated time.Time, err error) {
	var m struct {
		State   string    `json:"state"`
		Merged  bool      `json:"merged"`
		Updated time.Time `json:"updated_at"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return "", time.Time{}, fmt.Errorf("a merge request in no form that is known: %w", err)
	}
	switch {
	case m.Merged, m.State == "merged":
		return v1alpha1.MergeRequestMerged, m.Updated, nil
	case m.State == "closed":
		return v1alpha1.MergeRequestClosed, m.Updated, nil
	case m.State == "open", m.State == "opened", m.State == "locked": // GitLab locks while it merges
		return v1alpha1.MergeRequestOpened, m.Updated, nil
	}
	return "", time.Time{}, fmt.Errorf("a merge request in state %q, which is not known", clip(m.State, 50))
}

// at is the address of a path of the API.
func (t Target) at(path []string) string {
	raw := t.API.String()
	for _, p := range path {
		raw += "/" + url.PathEscape(p)
	}
	return raw
}

// sign a request with the token, as the forge wants it.
func (t Target) sign(r *http.Request, token string) {
	r.Header.Set("User-Agent", "slipway")
	switch t.Kind {
	case GitHub:
		r.Header.Set("Accept", "application/vnd.github+json")
		r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
		r.Header.Set("Authorization", "Bearer "+token)
	case GitLab:
		r.Header.Set("Accept", "application/json")
		r.Header.Set("PRIVATE-TOKEN", token)
	case Bitbucket:
		r.Header.Set("Accept", "application/json")
		signBitbucket(r, token)
	default:
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Authorization", "token "+token)
	}
}
