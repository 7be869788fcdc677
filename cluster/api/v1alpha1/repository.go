package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Repository is a Git repository: hosted by this server, or watched elsewhere.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=repo
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Pushes",type=integer,JSONPath=`.status.sequence`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
type Repository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RepositorySpec   `json:"spec,omitempty"`
	Status RepositoryStatus `json:"status,omitempty"`
}

// RepositorySpec says where the commits come from and what to do with them.
type RepositorySpec struct {
	// URL of a repository elsewhere (https, http or ssh). Empty: hosted here.
	// +optional
	URL string `json:"url,omitempty"`
	// Branches to act on, as glob patterns; empty means all. See RepositoryPolicy.
	// +optional
	Branches []string `json:"branches,omitempty"`
	// DefaultBranch is deployed automatically. Empty: what HEAD names.
	// +optional
	DefaultBranch string `json:"defaultBranch,omitempty"`
	// CredentialsSecret names a Secret in this namespace: of type kubernetes.io/basic-auth
	// with username and password (a token), of type kubernetes.io/ssh-auth with
	// ssh-privatekey and known_hosts, or of a GitHub App with githubAppID,
	// githubAppInstallationID and githubAppPrivateKey. Its annotation slipway.dev/host
	// names the one host that it may be used for. With ca.crt, that authority is trusted.
	// +optional
	CredentialsSecret string `json:"credentialsSecret,omitempty"`
	// WebhookSecret names a Secret whose key "token" proves that webhooks are the forge's.
	// +optional
	WebhookSecret string `json:"webhookSecret,omitempty"`
	// PollInterval between two looks at URL. Default 1m.
	// +optional
	PollInterval *metav1.Duration `json:"pollInterval,omitempty"`
	// PipelineFile within the repository. Empty: the well-known names, then the default pipeline.
	// +optional
	PipelineFile string `json:"pipelineFile,omitempty"`
	// MaxRuns at one time; more wait in a queue. 0: no limit of its own.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxRuns int `json:"maxRuns,omitempty"`
	// Protected refs, as glob patterns of branch and tag names; only their runs get
	// protected variables. Empty: the default branch.
	// +optional
	Protected []string `json:"protected,omitempty"`
	// ResourceGroups: the process mode of each group that is not "unordered":
	// oldest_first, newest_first or newest_ready_first.
	// +optional
	ResourceGroups map[string]ProcessMode `json:"resourceGroups,omitempty"`
	// Forge is told how runs go, where the repository is one of its own.
	// +optional
	Forge *Forge `json:"forge,omitempty"`
	// PublicBadge shows the phase and the coverage of the newest run of a branch to everybody.
	// +optional
	PublicBadge bool `json:"publicBadge,omitempty"`

	RepositoryPolicy   `json:",inline"`
	MergeRequestPolicy `json:",inline"`
	JobAccess          `json:",inline"`
}

// Forge is where commit statuses are written.
type Forge struct {
	// Kind: github, gitlab, gitea (Forgejo too), bitbucket (Cloud and Data Center). Empty:
	// known by the host of URL, for github.com, gitlab.com, bitbucket.org, codeberg.org and
	// gitea.com.
	// +optional
	// +kubebuilder:validation:Enum=github;gitlab;gitea;bitbucket
	Kind string `json:"kind,omitempty"`
	// API address, such as https://git.example.org/api/v4; empty: derived from URL.
	// +optional
	// +kubebuilder:validation:MaxLength=1000
	API string `json:"api,omitempty"`
	// Project as the forge names it ("owner/name"); empty: derived from the URL.
	// +optional
	// +kubebuilder:validation:MaxLength=500
	Project string `json:"project,omitempty"`
	// TokenSecret names a Secret of this namespace whose key "token" may write statuses;
	// its annotation slipway.dev/host names the one host that it may be sent to.
	// +kubebuilder:validation:MinLength=1
	TokenSecret string `json:"tokenSecret"`
	// Context is the name of the statuses. Empty: slipway/<name of the Repository>. Runs
	// of tags and of merge requests add /tag and /merge-request.
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Context string `json:"context,omitempty"`
}

// RepositoryStatus is what was last seen.
type RepositoryStatus struct {
	// Refs by full name ("refs/heads/main"), as last seen.
	// +optional
	Refs map[string]RefStatus `json:"refs,omitempty"`
	// DefaultBranch as resolved (short name), empty while there is no commit.
	// +optional
	DefaultBranch string `json:"defaultBranch,omitempty"`
	// Sequence is the number of ref updates seen, and the number of the newest one.
	// The run of update N is named <repository>-N.
	// +optional
	Sequence int64 `json:"sequence,omitempty"`
	// Overtaken are updates that had no run yet when a newer one of their ref came.
	// +optional
	// +listType=atomic
	Overtaken []RefUpdate `json:"overtaken,omitempty"`
	// MergeRequests that are open at the forge, as its webhooks tell, by number; at most
	// 200, those that changed last.
	// +optional
	// +listType=map
	// +listMapKey=number
	// +kubebuilder:validation:MaxItems=400
	MergeRequests []MergeRequest `json:"mergeRequests,omitempty"`
	// LastPolled is when URL was last looked at.
	// +optional
	LastPolled *metav1.Time `json:"lastPolled,omitempty"`
	// Polling of URL: how often, and why.
	// +optional
	Polling *Polling `json:"polling,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// RefStatus is one branch or tag as last seen.
type RefStatus struct {
	// Commit is the full hexadecimal object name.
	Commit string `json:"commit"`
	// Before is the commit that the ref pointed to before, empty for a new ref.
	// +optional
	Before string `json:"before,omitempty"`
	// Sequence of the update that set it; see RepositoryStatus.
	Sequence int64 `json:"sequence"`
	// Seen is when.
	Seen metav1.Time `json:"seen"`
	// Via is how: push, webhook, poll, manual where a person asked for a look, or
	// write-back where the commit is this server's own.
	Via string `json:"via"`
	// By is the user that pushed, where known.
	// +optional
	By string `json:"by,omitempty"`

	PushNote `json:",inline"`
}

// RepositoryList is a list of Repository.
//
// +kubebuilder:object:root=true
type RepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Repository `json:"items"`
}
