package hook

import (
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
)

// hubBody is what GitHub sends, and Gitea and Forgejo in nearly the same form.
type hubBody struct {
	Ref     string `json:"ref"`
	RefType string `json:"ref_type"`
	Before  string `json:"before"`
	After   string `json:"after"`
	Deleted bool   `json:"deleted"`
	Action  string `json:"action"`
	Number  int64  `json:"number"`

	Repository  *hubRepository `json:"repository"`
	PullRequest *hubPull       `json:"pull_request"`
}

type hubRepository struct {
	ID       int64  `json:"id"`
	FullName string `json:"full_name"`
}

type hubPull struct {
	Number    int64     `json:"number"`
	Title     string    `json:"title"`
	State     string    `json:"state"`
	Merged    bool      `json:"merged"`
	Draft     bool      `json:"draft"`
	URL       string    `json:"html_url"`
	UpdatedAt string    `json:"updated_at"`
	User      hubUser   `json:"user"`
	Head      hubBranch `json:"head"`
	Base      hubBranch `json:"base"`
}

type hubUser struct {
	Login string `json:"login"`
}

type hubBranch struct {
	Ref string `json:"ref"`
	SHA string `json:"sha"`
	// Repo is null where a fork is gone.
	Repo *hubRepository `json:"repo"`
}

func parseGitHub(name string, body []byte) (Event, error) { return parseHub(name, body) }

// parseHub reads an event of GitHub, Gitea or Forgejo.
func parseHub(name string, body []byte) (Event, error) {
	switch name {
	case "push", "create", "delete", "ping", "pull_request", "pull_request_sync":
	default:
		return ignored(name, "events of this kind change nothing here"), nil
	}
	var b hubBody
	if err := decode(body, &b); err != nil {
		return Event{Name: name}, err
	}
	e := Event{Name: strings.TrimSpace(name + " " + oneLine(b.Action, 50))}
	if b.Repository != nil {
		e.Project = oneLine(b.Repository.FullName, 500)
	}
	switch {
	case name == "ping":
		e.Kind = Ping
		return e, nil
	case e.Project == "":
		return e, missing("repository.full_name")
	}
	switch name {
	case "push":
		if b.Ref == "" {
			return e, missing("ref")
		}
		if b.After == "" && !b.Deleted {
			return e, missing("after")
		}
		if b.Deleted {
			b.After = ""
		}
		e.ref(b.Ref, b.Before, b.After)
	case "create":
		// The push that made it says the same, and with its commit.
		e.Ignored = "the push event says the same"
	case "delete":
		full, err := hubRef(b.RefType, b.Ref)
		if err != nil {
			return e, err
		}
		e.ref(full, "", "")
	default:
		return e, e.pull(&b)
	}
	return e, nil
}

func hubRef(kind, name string) (string, error) {
	switch {
	case name == "":
		return "", missing("ref")
	case strings.HasPrefix(name, "refs/"):
		return name, nil
	case kind == "branch":
		return "refs/heads/" + name, nil
	case kind == "tag":
		return "refs/tags/" + name, nil
	}
	return "", missing("ref_type")
}

// pull reads a pull request; of some actions nothing follows.
func (e *Event) pull(b *hubBody) error {
	switch b.Action {
	case "opened", "reopened", "synchronize", "synchronized", "edited", "closed", "ready_for_review", "converted_to_draft":
	case "":
		return missing("action")
	default:
		e.Ignored = "of this action nothing follows here"
		return nil
	}
	p := b.PullRequest
	if p == nil {
		return missing("pull_request")
	}
	m := v1alpha1.MergeRequest{
		Number: max(p.Number, b.Number), Title: p.Title, Author: p.User.Login, Draft: p.Draft, URL: p.URL,
		Source: p.Head.Ref, Target: p.Base.Ref, Commit: p.Head.SHA, Fork: true,
	}
	// Without word of where it comes from, it comes from strangers.
	if h, t := p.Head.Repo, p.Base.Repo; h != nil {
		m.SourceProject = h.FullName
		m.Fork = t == nil || h.ID == 0 || h.ID != t.ID
	}
	switch {
	case p.Merged:
		m.State = v1alpha1.MergeRequestMerged
	case p.State == "closed":
		m.State = v1alpha1.MergeRequestClosed
	case p.State == "open":
		m.State = v1alpha1.MergeRequestOpened
	}
	return e.request(m, orNow(when(p.UpdatedAt)))
}

// orNow is t, or the time of the delivery where the forge gave none.
func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}
