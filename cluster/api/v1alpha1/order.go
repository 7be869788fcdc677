package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Lifecycle is what an Application asks for around its releases: when one may begin,
// how many are kept, and what is written back to Git.
type Lifecycle struct {
	// Needs names applications of this namespace that must be Healthy and Synced, at what
	// is desired of them, before a release of this one begins. A cycle is refused.
	// +optional
	// +kubebuilder:validation:MaxItems=50
	// +listType=set
	Needs []string `json:"needs,omitempty"`
	// Windows in which releases begin by themselves, or do not.
	// +optional
	// +kubebuilder:validation:MaxItems=20
	Windows []Window `json:"windows,omitempty"`
	// HistoryLimit is how many releases are kept. The pinned one, the current one and the
	// last healthy one always are. Default 20.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=1000
	HistoryLimit int `json:"historyLimit,omitempty"`
	// PinnedBy is who pinned Pin; it goes with the pin.
	// +optional
	PinnedBy string `json:"pinnedBy,omitempty"`
	// WriteBack to Git, as commits of the server.
	// +optional
	WriteBack *WriteBack `json:"writeBack,omitempty"`
	// Promotion says where releases of this application come from, if not from a push.
	// +optional
	Promotion *PromotionPolicy `json:"promotion,omitempty"`
}

// Window is a time that comes again and again.
type Window struct {
	// Kind: "allow" (releases begin within, and outside of all of them they do not) or
	// "deny" (they do not begin within, whatever is allowed).
	// +kubebuilder:validation:Enum=allow;deny
	Kind string `json:"kind"`
	// Schedule of its beginning: minute, hour, day of month, month, day of week.
	// +kubebuilder:validation:MaxLength=200
	Schedule string `json:"schedule"`
	// Duration of each, such as 8h; a minute to 31 days.
	Duration metav1.Duration `json:"duration"`
	// TimeZone is an IANA name; empty: UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=60
	TimeZone string `json:"timeZone,omitempty"`
	// Manual lets a person's `slipway app sync` through, where this window is in the way.
	// +optional
	Manual bool `json:"manual,omitempty"`
}

// Words of Window.Kind.
const (
	WindowAllow = "allow"
	WindowDeny  = "deny"
)

// LifecycleStatus is how the Lifecycle of an Application is going.
type LifecycleStatus struct {
	// Waiting says what the next release waits for; absent when nothing does.
	// +optional
	Waiting *Waiting `json:"waiting,omitempty"`
	// History of which releases are kept.
	// +optional
	History *HistoryStatus `json:"history,omitempty"`
	// WrittenBack is what was last written to Git.
	// +optional
	WrittenBack *WrittenBack `json:"writtenBack,omitempty"`
}

// Waiting is one reason why a release does not begin.
type Waiting struct {
	// Reason: Needs, Cycle or Window.
	Reason string `json:"reason"`
	// Message in one line.
	Message string `json:"message"`
	// For names the applications that are waited for; of a cycle, its members in order.
	// +optional
	For []string `json:"for,omitempty"`
	// Until when, where that is known.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	Since metav1.Time  `json:"since"`
}

// Reasons of Waiting.
const (
	WaitingNeeds  = "Needs"
	WaitingCycle  = "Cycle"
	WaitingWindow = "Window"
)

// ConditionNeedsMet of an Application with needs says whether they are all there,
// healthy and synced.
const ConditionNeedsMet = "NeedsMet"

// HistoryStatus says which releases have been trimmed.
type HistoryStatus struct {
	// Through is the highest number that has been looked at for trimming.
	// +optional
	Through int64 `json:"through,omitempty"`
	// Spared are numbers up to Through that were kept because something held them.
	// +optional
	Spared []int64 `json:"spared,omitempty"`
}
