package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// RepositoryPolicy is what a repository acts on, and what it takes.
//
// Three lists look alike and answer different questions:
//
//   - branches, excludeBranches, tags and excludeTags say which refs exist for this
//     server at all: what they leave out is not recorded and runs nothing.
//   - protect says who may change a ref of a hosted repository by a push, and how.
//   - protected (of RepositorySpec) says whose runs get protected variables. Refs of a
//     rule of protect that names pushers are protected so too: only those people can
//     bring a commit there.
//
// Patterns of the first kind and of paths are globs, in which "*" stops at "/" and "**"
// does not; those of protect and protected are GitLab's, in which "*" stands for
// anything, "/" too, so that a rule never covers less than it seems to.
type RepositoryPolicy struct {
	// ExcludeBranches of those that Branches takes, as glob patterns.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=250
	ExcludeBranches []string `json:"excludeBranches,omitempty"`
	// Tags to act on, as glob patterns; empty means all.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=250
	Tags []string `json:"tags,omitempty"`
	// ExcludeTags of those that Tags takes, as glob patterns.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=250
	ExcludeTags []string `json:"excludeTags,omitempty"`
	// Paths as glob patterns: a push to a branch that changes no file that one of them
	// matches starts no run. A directory stands for all in it. Empty: every push does.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=1000
	Paths []string `json:"paths,omitempty"`
	// Pushes that start runs: all or none, also where a poll or a webhook finds them.
	// Applications follow branches either way. Default all.
	// +optional
	// +kubebuilder:validation:Enum=all;none
	Pushes string `json:"pushes,omitempty"`
	// Protect branches and tags of a hosted repository; of the rules whose pattern
	// matches a ref the first one holds for it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Protect []ProtectRule `json:"protect,omitempty"`
	// Limits of what a hosted repository takes.
	// +optional
	Limits *RepositoryLimits `json:"limits,omitempty"`
}

// ProtectRule says who may change the refs that Pattern matches, and how.
type ProtectRule struct {
	// Pattern of short names of branches and tags, such as main or release/*; with
	// refs/heads/ or refs/tags/ before it, of only those.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=250
	Pattern string `json:"pattern"`
	// Pushers are the only ones who may change the ref, beside being allowed to push to
	// the repository at all. Absent: everybody who may push; empty: nobody.
	// +optional
	Pushers *Pushers `json:"pushers,omitempty"`
	// AllowForce lets a push take commits away, and move a tag.
	// +optional
	AllowForce bool `json:"allowForce,omitempty"`
	// AllowDelete lets a push delete the ref.
	// +optional
	AllowDelete bool `json:"allowDelete,omitempty"`
}

// Pushers are people by name and by group.
type Pushers struct {
	// +optional
	// +kubebuilder:validation:MaxItems=200
	Users []string `json:"users,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxItems=200
	Groups []string `json:"groups,omitempty"`
}

// RepositoryLimits bound what a push may bring; a limit of the server holds beside them.
type RepositoryLimits struct {
	// Pack is the largest push, packed.
	// +optional
	Pack *resource.Quantity `json:"pack,omitempty"`
	// File is the largest single file, unpacked.
	// +optional
	File *resource.Quantity `json:"file,omitempty"`
	// Total is the largest repository, packed.
	// +optional
	Total *resource.Quantity `json:"total,omitempty"`
}

// PushNote is what a push said, or led to, beside its commits.
type PushNote struct {
	// NoRun says why the update starts no run, in one line. Empty: it does.
	// +optional
	// +kubebuilder:validation:MaxLength=500
	NoRun string `json:"noRun,omitempty"`
	// Variables of the run, by the push option ci.variable; never secrets.
	// +optional
	Variables map[string]string `json:"variables,omitempty"`
}

// UnchangedPush is an update of a branch that changed nothing of an application.
type UnchangedPush struct {
	// Commit is the full hexadecimal object name.
	Commit string `json:"commit"`
	// Sequence of the ref update that brought it.
	Sequence int64 `json:"sequence"`
	// By is the person or part that caused it.
	// +optional
	By string `json:"by,omitempty"`
}
