package v1alpha1

import "strconv"

// RunsThroughAnnotation is the sequence up to which a Repository's updates have runs.
const RunsThroughAnnotation = "slipway.dev/runs-through"

// MaxOvertaken updates may wait for their runs; a repository with more takes no pushes.
const MaxOvertaken = 200

// RefUpdate is an update of a ref that a newer one has overtaken.
type RefUpdate struct {
	// Ref by its full name.
	Ref string `json:"ref"`

	RefStatus `json:",inline"`
}

// RunsThrough is what RunsThroughAnnotation says.
func (r *Repository) RunsThrough() int64 {
	n, _ := strconv.ParseInt(r.Annotations[RunsThroughAnnotation], 10, 64)
	return n
}
