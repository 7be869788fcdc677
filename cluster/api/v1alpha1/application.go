package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Application is what should run: one desired value (commit, digests) of one
// directory of one repository.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=app
// +kubebuilder:printcolumn:name="Release",type=integer,JSONPath=`.status.current`
// +kubebuilder:printcolumn:name="Health",type=string,JSONPath=`.status.health`
// +kubebuilder:printcolumn:name="Sync",type=string,JSONPath=`.status.sync`
// +kubebuilder:printcolumn:name="Pin",type=integer,JSONPath=`.spec.pin`
// +kubebuilder:printcolumn:name="Waiting",type=string,JSONPath=`.status.waiting.reason`
// +kubebuilder:printcolumn:name="Pinned By",type=string,JSONPath=`.spec.pinnedBy`,priority=1
type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ApplicationSpec   `json:"spec"`
	Status ApplicationStatus `json:"status,omitempty"`
}

// ApplicationSpec is the wish.
type ApplicationSpec struct {
	Source Source `json:"source"`
	// Namespace that objects without one go to. Default: the Application's own.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Sync says what changes Desired: "push" (a commit on Source.Branch, or
	// what else Source follows), "pipeline" (its deploy job, which knows the digests) or "manual".
	// +kubebuilder:validation:Enum=push;pipeline;manual
	// +kubebuilder:default=push
	Sync string `json:"sync,omitempty"`
	// Desired is the one value; written whole, in one update.
	// +optional
	Desired *Desired `json:"desired,omitempty"`
	// Pin holds this release number whatever Desired says. 0: not pinned.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pin int64 `json:"pin,omitempty"`
	// HealthDeadline for a release to become healthy. Default 5m.
	// +optional
	HealthDeadline *metav1.Duration `json:"healthDeadline,omitempty"`
	// Retry changes when a person asks to try a failed Desired again.
	// +optional
	Retry string `json:"retry,omitempty"`

	Lifecycle `json:",inline"`
	// SyncOptions say how the set is written.
	// +optional
	SyncOptions *SyncOptions `json:"syncOptions,omitempty"`
	// IgnoreDifferences are fields that are left to others.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	IgnoreDifferences []IgnoreDifference `json:"ignoreDifferences,omitempty"`
	// HealthChecks say how objects of further kinds are.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	HealthChecks []HealthCheck `json:"healthChecks,omitempty"`
	// Deletion of the application takes its objects with it ("prune", the default), or
	// leaves them ("orphan").
	// +optional
	// +kubebuilder:validation:Enum=prune;orphan
	Deletion string `json:"deletion,omitempty"`
	// ServiceAccount of the Application's namespace that the set is applied as. Default
	// slipway-deployer.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// Cluster other than this one that the set goes to.
	// +optional
	Cluster *ClusterReference `json:"cluster,omitempty"`
	// ConfirmPrune changes when a person agrees to prune what waits for it.
	// +optional
	ConfirmPrune string `json:"confirmPrune,omitempty"`
	// Resync changes when a person asks to put right what others changed.
	// +optional
	Resync string `json:"resync,omitempty"`
	// Stop is what a person said to a rollout that was under way.
	// +optional
	Stop *Stop `json:"stop,omitempty"`
}

// Source is where the manifests are.
//
// +kubebuilder:validation:XValidation:rule="[has(self.branch) && size(self.branch) > 0, has(self.tag) && size(self.tag) > 0, has(self.semver) && size(self.semver) > 0, has(self.commit) && size(self.commit) > 0].filter(given, given).size() <= 1",message="give one of source.branch, tag, semver and commit"
// +kubebuilder:validation:XValidation:rule="has(self.repository) || has(self.helm) && has(self.helm.repository)",message="give source.repository, or a chart of source.helm.repository"
type Source struct {
	// Repository in the same namespace. It may be left out for a chart from elsewhere.
	// +optional
	Repository string `json:"repository,omitempty"`
	// Branch that is followed. Empty: the repository's default branch, unless a tag, a range
	// of versions or a commit is followed.
	// +optional
	Branch string `json:"branch,omitempty"`

	Revision `json:",inline"`
	// Path of the directory within the repository. Default "deploy".
	// +optional
	Path string `json:"path,omitempty"`
	// WatchPaths are other files and directories of the repository that a release is made
	// of: a push that changes nothing there, nor in Path, makes none (with sync: push).
	// Empty: Path alone, or everything where something in Path names a directory above it.
	// +optional
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=1000
	WatchPaths []string `json:"watchPaths,omitempty"`
	// Recurse reads plain manifests of the directories below Path, too.
	// +optional
	Recurse bool `json:"recurse,omitempty"`
	// Renderer: "plain", "kustomize", "helm" or empty: helm if there is a Chart.yaml or a
	// chart from elsewhere, kustomize if there is a kustomization file.
	// +optional
	// +kubebuilder:validation:Enum="";plain;kustomize;helm
	Renderer string `json:"renderer,omitempty"`
	// Helm says how a chart is rendered.
	// +optional
	Helm *Helm `json:"helm,omitempty"`
	// Decryption of files that are encrypted with SOPS.
	// +optional
	Decryption *Decryption `json:"decryption,omitempty"`
}

// Desired is one value that an Application can have.
type Desired struct {
	// Commit is the full hexadecimal object name.
	Commit string `json:"commit"`
	// Sequence of the ref update that brought the commit; an older one never replaces a newer one.
	Sequence int64 `json:"sequence"`
	// Images replace the tags of the same names in the manifests.
	// +optional
	Images []Image `json:"images,omitempty"`
	// Inputs of a chart that are not in the commit.
	// +optional
	Inputs *Inputs `json:"inputs,omitempty"`
	// Revision that led to the commit: the full name of a branch or tag, or the commit
	// itself where source.commit names it. Empty: it is not known, or none did.
	// +optional
	Revision string `json:"revision,omitempty"`
	// Run that wrote it, where one did.
	// +optional
	Run string `json:"run,omitempty"`
	// By is the person or part that caused it.
	// +optional
	By string `json:"by,omitempty"`
	// Cause: push, revision (another one is followed), pipeline, manual, inputs, promotion,
	// rollback (written back) or generator.
	// +optional
	Cause string `json:"cause,omitempty"`
	// Promotion that brought it, where one did.
	// +optional
	Promotion string `json:"promotion,omitempty"`
	// Manual: a person asked for it to be applied now, also in a window that allows that.
	// +optional
	Manual bool `json:"manual,omitempty"`
	// Sync is what was asked of this one synchronisation.
	// +optional
	Sync *SyncRequest `json:"sync,omitempty"`
}

// Words of Desired.Cause.
const (
	CausePush      = "push"
	CausePipeline  = "pipeline"
	CauseManual    = "manual"
	CausePromotion = "promotion"
	CauseRollback  = "rollback"
	CauseGenerator = "generator"
)

// ApplicationStatus is what is.
type ApplicationStatus struct {
	// Current is the number of the release whose objects are applied; 0 before the first.
	// +optional
	Current int64 `json:"current,omitempty"`
	// Healthy is the number of the last release that became healthy.
	// +optional
	Healthy int64 `json:"healthy,omitempty"`
	// Last is the highest release number given out.
	// +optional
	Last int64 `json:"last,omitempty"`
	// Health: Healthy, Progressing, Degraded, Unknown.
	// +optional
	Health string `json:"health,omitempty"`
	// Sync: Synced, OutOfSync, Pinned, Failed.
	// +optional
	Sync string `json:"sync,omitempty"`
	// Message says why, in one line.
	// +optional
	Message string `json:"message,omitempty"`
	// Refused is the desired value that failed and is not tried again by itself, unless it failed
	// on the way to another cluster.
	// +optional
	Refused *Desired `json:"refused,omitempty"`
	// RefusedRetry is spec.retry at that time, and another word when it is to be tried again.
	// +optional
	RefusedRetry string `json:"refusedRetry,omitempty"`
	// Inventory of the objects that are applied; what left it is pruned.
	// +optional
	Inventory []ObjectReference `json:"inventory,omitempty"`
	// Hooks that were made and may still be there.
	// +optional
	Hooks []ObjectReference `json:"hooks,omitempty"`
	// Drift that was seen and how often it came back.
	// +optional
	Drift []Drift `json:"drift,omitempty"`
	// References to configuration outside the set, with spec.syncOptions.restartOnConfigChange.
	// +optional
	References []ConfigReference `json:"references,omitempty"`
	// ConfirmedPrune is the spec.confirmPrune that was followed last.
	// +optional
	ConfirmedPrune string `json:"confirmedPrune,omitempty"`
	// Resynced is the spec.resync that was followed last.
	// +optional
	Resynced string `json:"resynced,omitempty"`
	// Addresses at which the application answers: hosts of an Ingress, load balancers, ports of
	// a node.
	// +optional
	Addresses []string `json:"addresses,omitempty"`
	// Unchanged is the newest commit that no release was made of, as it changes nothing of
	// this application. It says nothing where Desired is newer.
	// +optional
	Unchanged *UnchangedPush `json:"unchanged,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	LifecycleStatus `json:",inline"`
	DeletionStatus  `json:",inline"`
}

// ObjectReference names one applied object.
type ObjectReference struct {
	// +optional
	Group   string `json:"group,omitempty"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
	// +optional
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Health as kstatus has it: Current, InProgress, Failed, NotFound, Unknown.
	// +optional
	Health string `json:"health,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
	// Owned is a hash of which fields Slipway manages; it changes when somebody else
	// changes one of them.
	// +optional
	Owned string `json:"owned,omitempty"`
	// Applied is a digest of the object as it was written last, whatever release that was
	// of; there is none of Secrets.
	// +optional
	Applied string `json:"applied,omitempty"`
	// Extra says why an object that left the set is still there: "kept" (pruning is
	// off), "confirm" (it waits for a person) or "ignored" (it says that this is fine).
	// +optional
	Extra string `json:"extra,omitempty"`
}

// ApplicationList is a list of Application.
//
// +kubebuilder:object:root=true
type ApplicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Application `json:"items"`
}
