package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PromotionPolicy of an Application that is only released to by promotion.
type PromotionPolicy struct {
	// From is the application of this namespace whose healthy releases may be promoted
	// to this one. Both follow the same repository.
	// +kubebuilder:validation:MinLength=1
	From string `json:"from"`
	// Approvals that a promotion needs, not counting who asked for it. 0: none.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	Approvals int `json:"approvals,omitempty"`
	// Approvers narrows who may approve, among those that RBAC lets approve promotions.
	// +optional
	Approvers *Approvers `json:"approvers,omitempty"`
}

// Approvers are users and groups as they authenticate.
type Approvers struct {
	// +optional
	// +kubebuilder:validation:MaxItems=100
	Users []string `json:"users,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxItems=100
	Groups []string `json:"groups,omitempty"`
}

// Promotion takes what a healthy release of one Application consists of, its commit and
// its digests, to another. It is named <to>-p<number>; its spec never changes, and its
// status is the server's alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.spec.from`
// +kubebuilder:printcolumn:name="Release",type=integer,JSONPath=`.spec.release`
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.spec.to`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.by`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Promotion struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a promotion is immutable"
	Spec   PromotionSpec   `json:"spec"`
	Status PromotionStatus `json:"status,omitempty"`
}

// PromotionSpec is what somebody asks for.
type PromotionSpec struct {
	From string `json:"from"`
	// Release of From.
	// +kubebuilder:validation:Minimum=1
	Release int64  `json:"release"`
	To      string `json:"to"`
	// By is who asked.
	// +optional
	By string `json:"by,omitempty"`
}

// PromotionPhase of a promotion.
// +kubebuilder:validation:Enum=Pending;Promoted;Refused;Rejected
type PromotionPhase string

// The phases. Refused: by a rule, which the message names; Rejected: by a person.
const (
	PromotionPending  PromotionPhase = "Pending"
	PromotionPromoted PromotionPhase = "Promoted"
	PromotionRefused  PromotionPhase = "Refused"
	PromotionRejected PromotionPhase = "Rejected"
)

// Finished says whether nothing will come of it any more.
func (p PromotionPhase) Finished() bool { return p != "" && p != PromotionPending }

// PromotionStatus is what came of it.
type PromotionStatus struct {
	// +optional
	Phase PromotionPhase `json:"phase,omitempty"`
	// Desired is what the release consists of, as it was found when this was asked for.
	// +optional
	Desired *Desired `json:"desired,omitempty"`
	// Required approvals.
	// +optional
	Required int `json:"required,omitempty"`
	// Approvals so far, each by another person.
	// +optional
	Approvals []Approval `json:"approvals,omitempty"`
	// RejectedBy is who rejected it.
	// +optional
	RejectedBy string `json:"rejectedBy,omitempty"`
	// Message says what it waits for, or why it ended so.
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
}

// Approval is one person's yes.
type Approval struct {
	By string      `json:"by"`
	At metav1.Time `json:"at"`
}

// PromotionList is a list of Promotion.
//
// +kubebuilder:object:root=true
type PromotionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Promotion `json:"items"`
}
