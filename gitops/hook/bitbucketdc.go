package hook

import (
	"time"

	"slipway.dev/cluster/api/v1alpha1"
)

type dcBody struct {
	Repository *dcRepository `json:"repository"`
	Changes    []struct {
		RefID string `json:"refId"`
		From  string `json:"fromHash"`
		To    string `json:"toHash"`
		Type  string `json:"type"`
	} `json:"changes"`
	PullRequest *dcPull `json:"pullRequest"`
}

type dcRepository struct {
	ID      int64  `json:"id"`
	Slug    string `json:"slug"`
	Project struct {
		Key string `json:"key"`
	} `json:"project"`
}

func (r *dcRepository) name() string {
	if r == nil || r.Slug == "" || r.Project.Key == "" {
		return ""
	}
	return oneLine(r.Project.Key+"/"+r.Slug, 500)
}

type dcPull struct {
	ID      int64  `json:"id"`
	Title   string `json:"title"`
	State   string `json:"state"`
	Draft   bool   `json:"draft"`
	Updated int64  `json:"updatedDate"` // milliseconds
	From    dcEnd  `json:"fromRef"`
	To      dcEnd  `json:"toRef"`
	Author  struct {
		User struct {
			Name string `json:"name"`
		} `json:"user"`
	} `json:"author"`
	Links struct {
		Self []struct {
			Href string `json:"href"`
		} `json:"self"`
	} `json:"links"`
}

type dcEnd struct {
	ID         string        `json:"id"` // refs/heads/...
	Commit     string        `json:"latestCommit"`
	Repository *dcRepository `json:"repository"`
}

// parseBitbucketDC reads an event of Bitbucket Data Center.
func parseBitbucketDC(name string, body []byte) (Event, error) {
	switch name {
	case "repo:refs_changed", "pr:opened", "pr:from_ref_updated", "pr:modified", "pr:merged", "pr:declined", "pr:deleted":
	default:
		return ignored(name, "events of this kind change nothing here"), nil
	}
	var b dcBody
	e := Event{Name: name}
	if err := decode(body, &b); err != nil {
		return e, err
	}
	if name != "repo:refs_changed" {
		return e, e.dcPull(b.PullRequest)
	}
	if e.Project = b.Repository.name(); e.Project == "" {
		return e, missing("repository.project.key and repository.slug")
	}
	if len(b.Changes) == 0 {
		return e, missing("changes")
	}
	for _, c := range b.Changes {
		switch {
		case c.RefID == "":
			return e, missing("the ref of a change")
		case c.Type == "DELETE":
			c.To = ""
		case c.To == "":
			return e, missing("the commit of a change")
		}
		e.ref(c.RefID, c.From, c.To)
	}
	return e, nil
}

func (e *Event) dcPull(p *dcPull) error {
	if p == nil {
		return missing("pullRequest")
	}
	if e.Project = p.To.Repository.name(); e.Project == "" {
		return missing("pullRequest.toRef.repository")
	}
	m := v1alpha1.MergeRequest{
		Number: p.ID, Title: p.Title, Author: p.Author.User.Name, Draft: p.Draft,
		Source: p.From.ID, Target: p.To.ID, Commit: p.From.Commit,
		// Without word of where it comes from, it comes from strangers.
		SourceProject: p.From.Repository.name(), Fork: p.From.Repository == nil || p.From.Repository.ID == 0 || p.From.Repository.ID != p.To.Repository.ID,
	}
	if len(p.Links.Self) > 0 {
		m.URL = p.Links.Self[0].Href
	}
	switch p.State {
	case "OPEN":
		m.State = v1alpha1.MergeRequestOpened
	case "MERGED":
		m.State = v1alpha1.MergeRequestMerged
	case "DECLINED":
		m.State = v1alpha1.MergeRequestClosed
	}
	if e.Name == "pr:deleted" {
		m.State = v1alpha1.MergeRequestClosed
	}
	var at time.Time
	if p.Updated > 0 {
		at = time.UnixMilli(p.Updated)
	}
	return e.request(m, orNow(at))
}
