package v1alpha1

// Causes of runs that a job of another run started.
const (
	// RunCauseChild: from the files that the job names, for the commit of its run.
	RunCauseChild = "child"
	// RunCausePipeline: of the repository that the job names, from that one's own file.
	RunCausePipeline = "pipeline"
)

// RunParent names the job that started a run.
type RunParent struct {
	Run string `json:"run"`
	Job string `json:"job"`
	// Attempt of that job.
	Attempt int `json:"attempt"`
	// Upstream are the runs that led to this one: the first of them first, Run last.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	Upstream []Upstream `json:"upstream,omitempty"`
}

// Upstream is a run that led to another one.
type Upstream struct {
	Run        string `json:"run"`
	Repository string `json:"repository"`
	Ref        string `json:"ref"`
	Cause      string `json:"cause"`
}

// ForwardedVariable came with the job that started a run. It counts as one that was
// given by hand.
type ForwardedVariable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Expand: Value refers to variables of this run, such as its secrets, which the run
	// before it does not tell.
	// +optional
	Expand bool `json:"expand,omitempty"`
}

// Rerun says what a run does again.
type Rerun struct {
	// Run that was asked for again.
	Run string `json:"run"`
	// Cause of the first of them, which decides on the jobs.
	Cause string `json:"cause"`
}

// RootCause is what caused a run, or, where it does another one again, that one.
func (s *RunSpec) RootCause() string {
	if s.RerunOf != nil && s.Cause != RunCauseChild {
		return s.RerunOf.Cause
	}
	return s.Cause
}
