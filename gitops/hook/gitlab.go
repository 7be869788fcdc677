package hook

import (
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

type gitlabBody struct {
	Kind    string `json:"object_kind"`
	Ref     string `json:"ref"`
	Before  string `json:"before"`
	After   string `json:"after"`
	Project *struct {
		Path string `json:"path_with_namespace"`
	} `json:"project"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	Attributes *gitlabRequest `json:"object_attributes"`
}

type gitlabRequest struct {
	IID           int64  `json:"iid"`
	Title         string `json:"title"`
	State         string `json:"state"`
	Action        string `json:"action"`
	Source        string `json:"source_branch"`
	Target        string `json:"target_branch"`
	SourceProject int64  `json:"source_project_id"`
	TargetProject int64  `json:"target_project_id"`
	Draft         bool   `json:"draft"`
	InProgress    bool   `json:"work_in_progress"`
	URL           string `json:"url"`
	UpdatedAt     string `json:"updated_at"`
	LastCommit    struct {
		ID string `json:"id"`
	} `json:"last_commit"`
	From *struct {
		Path string `json:"path_with_namespace"`
	} `json:"source"`
}

// parseGitLab reads an event by the kind that its body says, which the header repeats
// in other words.
func parseGitLab(name string, body []byte) (Event, error) {
	switch name {
	case "Push Hook", "Tag Push Hook", "Merge Request Hook", "System Hook":
	case "":
		return Event{}, missing("the header X-Gitlab-Event")
	default:
		return ignored(name, "events of this kind change nothing here"), nil
	}
	var b gitlabBody
	e := Event{Name: name}
	if err := decode(body, &b); err != nil {
		return e, err
	}
	switch b.Kind {
	case "push", "tag_push", "merge_request":
	case "":
		return e, missing("object_kind")
	default:
		e.Ignored = "events of this kind change nothing here"
		return e, nil
	}
	if b.Project == nil || b.Project.Path == "" {
		return e, missing("project.path_with_namespace")
	}
	e.Project = oneLine(b.Project.Path, 500)
	if b.Kind == "merge_request" {
		return e, e.gitlabRequest(&b)
	}
	if b.Ref == "" {
		return e, missing("ref")
	}
	if b.After == "" {
		return e, missing("after")
	}
	e.ref(b.Ref, b.Before, b.After)
	return e, nil
}

func (e *Event) gitlabRequest(b *gitlabBody) error {
	a := b.Attributes
	if a == nil {
		return missing("object_attributes")
	}
	e.Name = strings.TrimSpace(e.Name + " " + oneLine(a.Action, 50))
	switch a.Action {
	case "open", "reopen", "update", "merge", "close", "": // a test of a hook names none
	default:
		e.Ignored = "of this action nothing follows here"
		return nil
	}
	m := v1alpha1.MergeRequest{
		Number: a.IID, Title: a.Title, Author: b.User.Username, Draft: a.Draft || a.InProgress, URL: a.URL,
		Source: a.Source, Target: a.Target, Commit: a.LastCommit.ID,
		// Without word of where it comes from, it comes from strangers.
		Fork: a.SourceProject == 0 || a.SourceProject != a.TargetProject,
	}
	if a.From != nil {
		m.SourceProject = a.From.Path
	}
	switch a.State {
	case "opened", "locked": // locked: it is being merged
		m.State = v1alpha1.MergeRequestOpened
	case "merged":
		m.State = v1alpha1.MergeRequestMerged
	case "closed":
		m.State = v1alpha1.MergeRequestClosed
	}
	return e.request(m, orNow(when(a.UpdatedAt)))
}
