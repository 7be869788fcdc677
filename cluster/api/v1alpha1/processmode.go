package v1alpha1

// ProcessMode says which of the jobs that wait for a resource group is next.
// +kubebuilder:validation:Enum=unordered;oldest_first;newest_first;newest_ready_first
type ProcessMode string

// Unordered: who waited longest. Oldest and newest first: the job of the oldest or newest
// run, also while that is not ready. Newest ready first: of those that are ready.
const (
	Unordered        ProcessMode = "unordered"
	OldestFirst      ProcessMode = "oldest_first"
	NewestFirst      ProcessMode = "newest_first"
	NewestReadyFirst ProcessMode = "newest_ready_first"
)
