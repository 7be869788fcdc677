package plan

import "encoding/json"

// Trigger starts another run: a child of this one from Files of the same commit (or
// of artifacts), or one of another repository in the same namespace.
type Trigger struct {
	Files      []TriggerFile `json:"files,omitempty"`
	Repository string        `json:"repository,omitempty"`
	// Branch of Repository; empty: its default branch.
	Branch string `json:"branch,omitempty"`
	// Depend: the job takes the other run's end as its own. Mirror: its state at each time.
	Depend bool `json:"depend,omitempty"`
	Mirror bool `json:"mirror,omitempty"`
	// ForwardVariables of the pipeline and the job; ForwardGiven those given by hand.
	ForwardVariables bool `json:"forwardVariables,omitempty"`
	ForwardGiven     bool `json:"forwardGiven,omitempty"`
	// Inputs of the other pipeline, each a JSON value.
	Inputs map[string]json.RawMessage `json:"inputs,omitempty"`
}

// TriggerFile is one pipeline file of a child. With Job, it is an artifact of that job.
type TriggerFile struct {
	Path string `json:"path"`
	Job  string `json:"job,omitempty"`
	// Include is set where the file is not in the commit: the front end's own words for it.
	Include json.RawMessage            `json:"include,omitempty"`
	Inputs  map[string]json.RawMessage `json:"inputs,omitempty"`
}

// Build of an image from a Dockerfile.
type Build struct {
	// Dockerfile and Context are paths in the repository.
	Dockerfile string `json:"dockerfile,omitempty"`
	Context    string `json:"context,omitempty"`
	Target     string `json:"target,omitempty"`
	// Image is the name to push, without tag.
	Image string     `json:"image"`
	Args  []Variable `json:"args,omitempty"`
}

// Deploy of the commit and of the images that the run built.
type Deploy struct {
	Application string `json:"application"`
	// Path of the manifests in the repository.
	Path string `json:"path"`
	// Renderer: plain, kustomize, helm, or empty for whichever fits.
	Renderer string `json:"renderer,omitempty"`
}
