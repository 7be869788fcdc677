package commitstatus

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
)

// bitbucketCloud is where the API of Bitbucket Cloud is. Everything else is Data Center.
const bitbucketCloud = "https://api.bitbucket.org/2.0"

// cloud tells Bitbucket's two APIs apart, by their version.
func (t Target) cloud() bool {
	return t.Kind == Bitbucket && strings.HasSuffix(t.API.Path, "/2.0")
}

// bitbucketRepo is the path of the project: workspace and repository, or key and repository.
func (t Target) bitbucketRepo() []string {
	owner, name, _ := strings.Cut(t.Project, "/")
	if t.cloud() {
		return []string{"repositories", owner, name}
	}
	return []string{"projects", owner, "repos", name}
}

// bitbucketStatus is what both take. A key is replaced by the next status that has it.
type bitbucketStatus struct {
	Key         string `json:"key"`
	State       string `json:"state"`
	Name        string `json:"name"`
	URL         string `json:"url"`
	Description string `json:"description"`
	// Cloud's and Data Center's words for the branch.
	RefName string `json:"refname,omitempty"`
	Ref     string `json:"ref,omitempty"`
}

func (t Target) bitbucketStatus(s Status) (path []string, body bitbucketStatus) {
	body = bitbucketStatus{Key: key(s.Context), State: t.word(s.State), Name: s.Context, URL: s.URL, Description: s.Description}
	if t.cloud() {
		body.RefName = s.Ref
		return append(t.bitbucketRepo(), "commit", s.Commit, "statuses", "build"), body
	}
	body.Ref = s.FullRef
	return append(t.bitbucketRepo(), "commits", s.Commit, "builds"), body
}

// maxKey is the longest that Cloud takes.
const maxKey = 40

// key of a context: itself, or as much of it as fits with a digest of the whole.
func key(context string) string {
	if len(context) <= maxKey {
		return context
	}
	sum := sha256.Sum256([]byte(context))
	return strings.ToValidUTF8(context[:maxKey-9], "") + "-" + hex.EncodeToString(sum[:4])
}

func (t Target) bitbucketPull(number string) []string {
	if t.cloud() {
		return append(t.bitbucketRepo(), "pullrequests", number)
	}
	return append(t.bitbucketRepo(), "pull-requests", number)
}

// readPull reads the form of both: Cloud has updated_on, Data Center milliseconds in
// updatedDate.
func readPull(body []byte) (state string, updated time.Time, err error) {
	var p struct {
		State       string    `json:"state"`
		UpdatedOn   time.Time `json:"updated_on"`
		UpdatedDate int64     `json:"updatedDate"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return "", time.Time{}, fmt.Errorf("a pull request in no form that is known: %w", err)
	}
	updated = p.UpdatedOn
	if p.UpdatedDate > 0 {
		updated = time.UnixMilli(p.UpdatedDate)
	}
	switch p.State {
	case "OPEN", "DRAFT", "QUEUED":
		return v1alpha1.MergeRequestOpened, updated, nil
	case "MERGED":
		return v1alpha1.MergeRequestMerged, updated, nil
	case "DECLINED", "SUPERSEDED":
		return v1alpha1.MergeRequestClosed, updated, nil
	}
	return "", time.Time{}, fmt.Errorf("a pull request in state %q, which is not known", clip(p.State, 50))
}

// deletedPull says whether an answer means that a pull request was deleted, as Data Center
// lets people do. A repository that is not shown to the token is another matter.
func deletedPull(code int, body []byte) bool {
	var m struct {
		Errors []struct {
			Exception string `json:"exceptionName"`
		} `json:"errors"`
	}
	return code == http.StatusNotFound && json.Unmarshal(body, &m) == nil && len(m.Errors) > 0 &&
		strings.HasSuffix(m.Errors[0].Exception, ".NoSuchPullRequestException")
}

// signBitbucket takes access tokens as they are, and "name:password" for app passwords and
// API tokens, which are of a person.
func signBitbucket(r *http.Request, token string) {
	if name, password, ok := strings.Cut(token, ":"); ok {
		r.SetBasicAuth(name, password)
		return
	}
	r.Header.Set("Authorization", "Bearer "+token)
}
