package hook

import (
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

// parseBitbucket tells Cloud and Data Center apart by their names of events.
func parseBitbucket(name string, body []byte) (Event, error) {
	switch {
	case name == "":
		return Event{}, missing("the header X-Event-Key")
	case name == "diagnostics:ping":
		return Event{Name: name, Kind: Ping}, nil
	case name == "repo:refs_changed" || strings.HasPrefix(name, "pr:"):
		return parseBitbucketDC(name, body)
	}
	return parseBitbucketCloud(name, body)
}

type cloudBody struct {
	Repository *cloudRepository `json:"repository"`
	Push       *struct {
		Changes []struct {
			New *cloudRef `json:"new"`
			Old *cloudRef `json:"old"`
		} `json:"changes"`
	} `json:"push"`
	PullRequest *cloudPull `json:"pullrequest"`
}

type cloudRepository struct {
	UUID     string `json:"uuid"`
	FullName string `json:"full_name"`
}

type cloudRef struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Target struct {
		Hash string `json:"hash"`
	} `json:"target"`
}

type cloudPull struct {
	ID     int64  `json:"id"`
	Title  string `json:"title"`
	State  string `json:"state"`
	Draft  bool   `json:"draft"`
	Author struct {
		Nickname string `json:"nickname"`
		Name     string `json:"display_name"`
	} `json:"author"`
	Source      cloudEnd `json:"source"`
	Destination cloudEnd `json:"destination"`
	UpdatedOn   string   `json:"updated_on"`
	Links       struct {
		HTML struct {
			Href string `json:"href"`
		} `json:"html"`
	} `json:"links"`
}

type cloudEnd struct {
	Branch struct {
		Name string `json:"name"`
	} `json:"branch"`
	Commit struct {
		Hash string `json:"hash"`
	} `json:"commit"`
	// Repository is null where a fork is gone.
	Repository *cloudRepository `json:"repository"`
}

func parseBitbucketCloud(name string, body []byte) (Event, error) {
	switch name {
	case "repo:push", "pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected":
	default:
		return ignored(name, "events of this kind change nothing here"), nil
	}
	var b cloudBody
	e := Event{Name: name}
	if err := decode(body, &b); err != nil {
		return e, err
	}
	if b.Repository == nil || b.Repository.FullName == "" {
		return e, missing("repository.full_name")
	}
	e.Project = oneLine(b.Repository.FullName, 500)
	if name != "repo:push" {
		return e, e.cloudPull(b.PullRequest)
	}
	if b.Push == nil || len(b.Push.Changes) == 0 {
		return e, missing("push.changes")
	}
	for _, c := range b.Push.Changes {
		which := c.New
		if which == nil {
			which = c.Old
		}
		if which == nil || which.Name == "" {
			return e, missing("the ref of a change")
		}
		ref := "refs/heads/" + which.Name
		if strings.Contains(which.Type, "tag") {
			ref = "refs/tags/" + which.Name
		}
		var before, after string
		if c.Old != nil {
			before = c.Old.Target.Hash
		}
		if c.New != nil {
			if after = c.New.Target.Hash; after == "" {
				return e, missing("the commit of a change")
			}
		}
		e.ref(ref, before, after)
	}
	return e, nil
}

func (e *Event) cloudPull(p *cloudPull) error {
	if p == nil {
		return missing("pullrequest")
	}
	m := v1alpha1.MergeRequest{
		Number: p.ID, Title: p.Title, Author: p.Author.Nickname, Draft: p.Draft, URL: p.Links.HTML.Href,
		Source: p.Source.Branch.Name, Target: p.Destination.Branch.Name, Commit: p.Source.Commit.Hash, Fork: true,
	}
	if m.Author == "" {
		m.Author = p.Author.Name
	}
	// Without word of where it comes from, it comes from strangers.
	if s, d := p.Source.Repository, p.Destination.Repository; s != nil {
		m.SourceProject = s.FullName
		m.Fork = d == nil || s.UUID == "" || s.UUID != d.UUID
	}
	switch p.State {
	case "OPEN":
		m.State = v1alpha1.MergeRequestOpened
	case "MERGED":
		m.State = v1alpha1.MergeRequestMerged
	case "DECLINED", "SUPERSEDED":
		m.State = v1alpha1.MergeRequestClosed
	}
	return e.request(m, orNow(when(p.UpdatedOn)))
}
