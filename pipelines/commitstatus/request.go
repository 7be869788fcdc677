package commitstatus

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// words of each forge for the states. GitHub and Gitea know no running and no canceled.
var words = map[string]map[State]string{
	GitHub: {Queued: "pending", Running: "pending", Succeeded: "success", Failed: "failure", Refused: "error", Canceled: "error"},
	Gitea:  {Queued: "pending", Running: "pending", Succeeded: "success", Failed: "failure", Refused: "error", Canceled: "error"},
	// Data Center has had a word for canceled for a few years only, and not in that form.
	Bitbucket: {Queued: "INPROGRESS", Running: "INPROGRESS", Succeeded: "SUCCESSFUL", Failed: "FAILED", Refused: "FAILED", Canceled: "FAILED"},
	GitLab:    {Queued: "pending", Running: "running", Succeeded: "success", Failed: "failed", Refused: "failed", Canceled: "canceled"},
}

// word of the target's forge for the state.
func (t Target) word(s State) string {
	if s == Canceled && t.cloud() {
		return "STOPPED"
	}
	return words[t.Kind][s]
}

// githubStatus is also what Gitea and Forgejo take.
type githubStatus struct {
	State       string `json:"state"`
	TargetURL   string `json:"target_url"`
	Description string `json:"description"`
	Context     string `json:"context"`
}

type gitlabStatus struct {
	State       string   `json:"state"`
	Ref         string   `json:"ref,omitempty"`
	Name        string   `json:"name"`
	TargetURL   string   `json:"target_url"`
	Description string   `json:"description"`
	Coverage    *float64 `json:"coverage,omitempty"`
}

// request that tells the forge.
func (t Target) request(ctx context.Context, s Status, token string) (*http.Request, error) {
	var body any
	var path []string
	switch t.Kind {
	case GitLab:
		path = []string{"projects", t.Project, "statuses", s.Commit} // the project's slashes are escaped
		body = gitlabStatus{State: t.word(s.State), Ref: s.Ref, Name: s.Context, TargetURL: s.URL, Description: s.Description, Coverage: s.Coverage}
	case Bitbucket:
		path, body = t.bitbucketStatus(s)
	default:
		path = append(append([]string{"repos"}, strings.Split(t.Project, "/")...), "statuses", s.Commit)
		body = githubStatus{State: t.word(s.State), TargetURL: s.URL, Description: s.Description, Context: s.Context}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.at(path), bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	t.sign(r, token)
	return r, nil
}

// sameHost follows a redirect that keeps the method and the host, as GitHub answers for
// a repository that was renamed. A token goes nowhere else.
func sameHost(r *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 3 || r.Method != first.Method || r.URL.Scheme != first.URL.Scheme || r.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}
