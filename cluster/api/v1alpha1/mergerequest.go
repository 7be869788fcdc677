package v1alpha1

import (
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MaxMergeRequests is how many open merge requests of a repository are followed.
const MaxMergeRequests = 200

// MergeRequest asks a forge to merge one branch into another, as last seen. GitHub,
// Gitea and Bitbucket say pull request.
//
// Those that are no longer opened stay for a short while, so that whoever acts on it
// may say why, and then go: one that is not listed is over.
type MergeRequest struct {
	// Number at the forge.
	// +kubebuilder:validation:Minimum=1
	Number int64 `json:"number"`
	// Title as people wrote it: text from outside.
	// +optional
	// +kubebuilder:validation:MaxLength=300
	Title string `json:"title,omitempty"`
	// Author as the forge names them.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Author string `json:"author,omitempty"`
	// Source is the short name of the branch to be merged. In a fork, it is a branch of
	// the fork, whatever this repository has by that name.
	// +kubebuilder:validation:MaxLength=250
	Source string `json:"source"`
	// Fork: Source is a branch of another repository, so its commits are by people who
	// may not push here.
	// +optional
	Fork bool `json:"fork,omitempty"`
	// SourceProject is the fork as the forge names it.
	// +optional
	// +kubebuilder:validation:MaxLength=500
	SourceProject string `json:"sourceProject,omitempty"`
	// Target is the short name of the branch of this repository to merge into.
	// +kubebuilder:validation:MaxLength=250
	Target string `json:"target"`
	// Commit is the head of Source, once it is here: the mirror has it as
	// MergeRequestRef(Number). Empty until then.
	// +optional
	Commit string `json:"commit,omitempty"`
	// Before is the head before that, empty for the first.
	// +optional
	Before string `json:"before,omitempty"`
	// Sequence of the update that brought Commit; see RepositoryStatus. 0 until then.
	// +optional
	Sequence int64 `json:"sequence,omitempty"`
	// State: opened, merged, closed.
	// +kubebuilder:validation:Enum=opened;merged;closed
	State string `json:"state"`
	// Draft: its author does not want it merged yet.
	// +optional
	Draft bool `json:"draft,omitempty"`
	// URL of its page at the forge.
	// +optional
	// +kubebuilder:validation:MaxLength=1000
	URL string `json:"url,omitempty"`
	// Updated is when it last changed, by the forge's clock.
	Updated metav1.Time `json:"updated"`
	// Seen is when this server learned of its state.
	// +optional
	Seen *metav1.Time `json:"seen,omitempty"`
	// Message says why Commit is missing or old.
	// +optional
	// +kubebuilder:validation:MaxLength=500
	Message string `json:"message,omitempty"`
}

// The states of a merge request.
const (
	MergeRequestOpened = "opened"
	MergeRequestMerged = "merged"
	MergeRequestClosed = "closed"
)

// MergeRequestPolicy is the part of a Repository's spec that is about them.
type MergeRequestPolicy struct {
	// MergeRequests that start runs: all (those of forks once somebody has approved the
	// run), branches (not those of forks), none. Default all.
	// +optional
	// +kubebuilder:validation:Enum=all;branches;none
	MergeRequests string `json:"mergeRequests,omitempty"`
}

// Runs says whether the policy lets a merge request start runs.
func (p MergeRequestPolicy) Runs(m *MergeRequest) bool {
	return p.MergeRequests != "none" && (p.MergeRequests != "branches" || !m.Fork)
}

// Open says whether it may still be merged.
func (m *MergeRequest) Open() bool { return m.State == MergeRequestOpened }

// MergeRequest of the repository by its number, or nil.
func (s *RepositoryStatus) MergeRequest(number int64) *MergeRequest {
	for i := range s.MergeRequests {
		if m := &s.MergeRequests[i]; m.Number == number {
			return m
		}
	}
	return nil
}

// RunMergeRequest is the merge request that a run is of, as it was when the run was made.
type RunMergeRequest struct {
	Number int64 `json:"number"`
	// +optional
	// +kubebuilder:validation:MaxLength=300
	Title string `json:"title,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Author string `json:"author,omitempty"`
	// Source is the short name of the branch to be merged.
	// +kubebuilder:validation:MaxLength=250
	Source string `json:"source"`
	// Fork: the commit is by people who may not push to the repository. Its run has no
	// secrets, deploys nothing and starts when somebody has approved it.
	// +optional
	Fork bool `json:"fork,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=500
	SourceProject string `json:"sourceProject,omitempty"`
	// +optional
	Draft bool `json:"draft,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=1000
	URL string `json:"url,omitempty"`
}

// RunApproval is asked for before anything of a run is read or started.
type RunApproval struct {
	// Reason why it is.
	Reason string `json:"reason"`
	// By is who approved it, empty until somebody did.
	// +optional
	By string `json:"by,omitempty"`
	// +optional
	At *metav1.MicroTime `json:"at,omitempty"`
}

// MergeRequestRef is the full name under which a mirror keeps the head of a merge
// request, whatever its forge calls it; where the forge has no ref for it, there is
// only its branch. It is no branch: nothing protected or deployed follows from it.
func MergeRequestRef(number int64) string {
	return "refs/merge-requests/" + strconv.FormatInt(number, 10) + "/head"
}

// MergeRequestOf is the number of the merge request that a full ref name is the head of;
// 0: it is another ref.
func MergeRequestOf(ref string) int64 {
	rest, ok := strings.CutPrefix(ref, "refs/merge-requests/")
	rest, head := strings.CutSuffix(rest, "/head")
	n, err := strconv.ParseInt(rest, 10, 64)
	if !ok || !head || err != nil {
		return 0
	}
	return n
}
