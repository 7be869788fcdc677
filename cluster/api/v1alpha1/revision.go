package v1alpha1

import "strings"

// Revision of a repository that is followed in place of a branch: at most one of the
// three is given, and then no branch.
type Revision struct {
	// Tag that is followed by its short name, also to where it is moved.
	// +optional
	// +kubebuilder:validation:MaxLength=230
	Tag string `json:"tag,omitempty"`
	// Semver is a range of versions, such as 1.x, ~1.2 or >=1.2.0 <2: the highest tag that
	// is in it is followed, v1.2.3 as 1.2.3. Pre-releases are in a range that names one,
	// such as >=1.2.0-0.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Semver string `json:"semver,omitempty"`
	// Commit that is held, by its object name or at least the first seven digits of it.
	// +optional
	// +kubebuilder:validation:Pattern=`^([0-9a-f]{7,40})?$`
	Commit string `json:"commit,omitempty"`
}

// Fixed says whether something else than a branch is followed.
func (r *Revision) Fixed() bool { return *r != Revision{} }

// Followed says what is followed, such as tag v1.2.0; empty for a branch.
func (r *Revision) Followed() string {
	var out []string
	for _, part := range [...]struct{ word, name string }{{"tag ", r.Tag}, {"tags ", r.Semver}, {"commit ", r.Commit}} {
		if part.name != "" {
			out = append(out, part.word+part.name)
		}
	}
	return strings.Join(out, ", ")
}

// tags begin the full name of a tag.
const tags = "refs/tags/"

// TagRef is the full name of a tag.
func TagRef(tag string) string { return tags + tag }

// Tag that led to the value, by its short name; empty where none did.
func (d *Desired) Tag() string {
	if d == nil || !strings.HasPrefix(d.Revision, tags) {
		return ""
	}
	return d.Revision[len(tags):]
}

// CauseRevision is the Cause of a value that came by a change of what is followed, not by
// a push.
const CauseRevision = "revision"
