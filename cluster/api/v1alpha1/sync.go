package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Annotations that say how one object is synchronised. Argo CD's of the same name
// (argocd.argoproj.io/hook and so on) and Helm's mean the same.
const (
	// AnnotationHook: PreSync, Sync, PostSync, SyncFail, Skip; several with commas.
	AnnotationHook = "slipway.dev/hook"
	// AnnotationHookDeletePolicy: BeforeHookCreation (the default), HookSucceeded, HookFailed.
	AnnotationHookDeletePolicy = "slipway.dev/hook-delete-policy"
	// AnnotationSyncWave is a whole number; a wave begins when the one before is healthy.
	AnnotationSyncWave = "slipway.dev/sync-wave"
	// AnnotationSyncOptions as "Prune=false,Replace=true".
	AnnotationSyncOptions = "slipway.dev/sync-options"
	// AnnotationCompareOptions as "IgnoreExtraneous".
	AnnotationCompareOptions = "slipway.dev/compare-options"
	// AnnotationIgnoreHealth "true": no release waits for the health of the object.
	AnnotationIgnoreHealth = "slipway.dev/ignore-healthcheck"
	// AnnotationPrune "disabled" keeps an object that left its set; "confirm" until somebody agrees.
	AnnotationPrune = "slipway.dev/prune"
	// AnnotationAdopt "true", on the manifest or on the object, lets an application take
	// over an object that exists and belongs to none.
	AnnotationAdopt = "slipway.dev/adopt"
	// AnnotationConfigChecksum on a pod template changes with the configuration that its
	// pods read, where spec.syncOptions.restartOnConfigChange asks for it.
	AnnotationConfigChecksum = "slipway.dev/config-checksum"
)

// LabelApplicationNamespace says in which namespace the Application of an object is,
// where that is not the object's own.
const LabelApplicationNamespace = "slipway.dev/application-namespace"

// HookFinalizer keeps a hook until its result is written down.
const HookFinalizer = "slipway.dev/hook"

// SyncOptions say how a set is written into the cluster.
type SyncOptions struct {
	// Prune deletes what left the set. Default true.
	// +optional
	Prune *bool `json:"prune,omitempty"`
	// Drift: what others change is put right ("heal", the default) or only shown ("report").
	// +optional
	// +kubebuilder:validation:Enum=heal;report
	Drift string `json:"drift,omitempty"`
	// Conflicts: fields that somebody else manages are taken over ("take", the default),
	// or the release is refused and names them ("fail").
	// +optional
	// +kubebuilder:validation:Enum=take;fail
	Conflicts string `json:"conflicts,omitempty"`
	// Adopt takes over objects that exist and belong to no application.
	// +optional
	Adopt bool `json:"adopt,omitempty"`
	// CreateNamespace makes spec.namespace if it is missing and the deployer may.
	// +optional
	CreateNamespace bool `json:"createNamespace,omitempty"`
	// Replace writes whole objects instead of merging fields.
	// +optional
	Replace bool `json:"replace,omitempty"`
	// Force deletes and makes anew an object whose change touches a field that cannot
	// change. Claims, namespaces and CRDs never are.
	// +optional
	Force bool `json:"force,omitempty"`
	// SkipDryRunOnMissingResource accepts kinds that the cluster does not know yet.
	// +optional
	SkipDryRunOnMissingResource bool `json:"skipDryRunOnMissingResource,omitempty"`
	// RestartOnConfigChange restarts pods when a ConfigMap or Secret that they use changes.
	// +optional
	RestartOnConfigChange bool `json:"restartOnConfigChange,omitempty"`
}

// IgnoreDifference names fields that are left to others: they are not compared, and
// keep the value that they have.
type IgnoreDifference struct {
	// Group of the objects; empty is the core group, "*" every group.
	// +optional
	Group string `json:"group,omitempty"`
	// Kind of the objects; "*" is every kind.
	// +kubebuilder:validation:MinLength=1
	Kind string `json:"kind"`
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of one object. Empty: all of them.
	// +optional
	Name string `json:"name,omitempty"`
	// JSONPointers as "/spec/replicas" (RFC 6901).
	// +optional
	// +kubebuilder:validation:MaxItems=64
	JSONPointers []string `json:"jsonPointers,omitempty"`
	// Managers whose fields are left to them, as kubectl's --show-managed-fields names them.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	Managers []string `json:"managers,omitempty"`
}

// ClusterReference is another cluster.
type ClusterReference struct {
	// KubeconfigSecret of the same namespace holds a kubeconfig under the key
	// "kubeconfig" or "value": https, a CA, and a token, a client certificate or a
	// password, all within the file.
	// +kubebuilder:validation:MinLength=1
	KubeconfigSecret string `json:"kubeconfigSecret"`
}

// SyncRequest is what one person asked of one synchronisation.
type SyncRequest struct {
	// Only these objects ("Kind/name") get their new state; the others keep that of the
	// release before. No hooks run.
	// +optional
	// +kubebuilder:validation:MaxItems=200
	Only []string `json:"only,omitempty"`
	// KeepExtra does not prune this time.
	// +optional
	KeepExtra bool `json:"keepExtra,omitempty"`
}

// The phases of a synchronisation, in their order.
const (
	PhasePreSync  = "PreSync"
	PhaseSync     = "Sync"
	PhasePostSync = "PostSync"
	PhaseSyncFail = "SyncFail"
)

// SyncProgress is how far a release with waves or hooks has come. Each step is written
// down before what follows from it.
type SyncProgress struct {
	// Phase: PreSync, Sync, PostSync, or SyncFail after a failure.
	// +optional
	Phase string `json:"phase,omitempty"`
	// Wave within the phase.
	// +optional
	Wave int32 `json:"wave,omitempty"`
	// Stage of the wave: 0 for definitions of kinds and namespaces, 1 for the rest.
	// +optional
	Stage int32 `json:"stage,omitempty"`
	// Written is true when all objects of this step were applied.
	// +optional
	Written bool `json:"written,omitempty"`
	// Since when this step is under way.
	// +optional
	Since *metav1.MicroTime `json:"since,omitempty"`
	// Hooks that were started.
	// +optional
	Hooks []HookStatus `json:"hooks,omitempty"`
}

// States of a hook.
const (
	HookStarting  = "Starting"
	HookRunning   = "Running"
	HookSucceeded = "Succeeded"
	HookFailed    = "Failed"
)

// HookStatus is one hook of one release.
type HookStatus struct {
	ObjectReference `json:",inline"`
	Phase           string `json:"phase"`
	// +optional
	Wave int32 `json:"wave,omitempty"`
	// State: Starting, Running, Succeeded, Failed.
	State string `json:"state"`
	// DeletePolicies as on the object.
	// +optional
	DeletePolicies []string `json:"deletePolicies,omitempty"`
	// UID of the object, so that another of the same name is not taken for it.
	// +optional
	UID string `json:"uid,omitempty"`
	// +optional
	StartedAt *metav1.MicroTime `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.MicroTime `json:"finishedAt,omitempty"`
}

// FieldConflict are fields of one object that somebody else manages.
type FieldConflict struct {
	// Object as "Deployment/web".
	Object  string   `json:"object"`
	Manager string   `json:"manager"`
	Fields  []string `json:"fields"`
}

// Drift is what somebody changed in one object.
type Drift struct {
	ObjectReference `json:",inline"`
	// Missing: the object was deleted.
	// +optional
	Missing bool `json:"missing,omitempty"`
	// Fields that differ.
	// +optional
	Fields []string `json:"fields,omitempty"`
	// Managers that changed them last, where it is known.
	// +optional
	Managers []string `json:"managers,omitempty"`
	// Count of changes that came back since FirstSeen.
	Count int32 `json:"count"`
	// Healed is true when the last change was put right.
	// +optional
	Healed    bool         `json:"healed,omitempty"`
	FirstSeen *metav1.Time `json:"firstSeen,omitempty"`
	LastSeen  *metav1.Time `json:"lastSeen,omitempty"`
}

// ConfigReference is a ConfigMap or Secret outside the set that pods of it use.
type ConfigReference struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Fingerprint of its data, keyed: it says nothing about the data.
	Fingerprint string `json:"fingerprint,omitempty"`
}
