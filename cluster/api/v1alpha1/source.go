package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Helm says which chart is rendered, and with which values. Values are merged in this
// order, later ones win: the chart's own, ValueFiles, ValuesFrom, Values.
//
// +kubebuilder:validation:XValidation:rule="has(self.repository) == has(self.chart)",message="chart and repository are given together: the chart's name and where it is kept; leave both out for the chart in source.path"
type Helm struct {
	// Chart by name, where it is not one of source.repository.
	// +optional
	// +kubebuilder:validation:MaxLength=250
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$`
	Chart string `json:"chart,omitempty"`
	// Repository of the chart: https://… (with an index.yaml) or oci://…, without the
	// chart's name. Empty: the chart is the directory source.path.
	// +optional
	// +kubebuilder:validation:MaxLength=1000
	// +kubebuilder:validation:Pattern=`^(https?|oci)://[^\s]+$`
	Repository string `json:"repository,omitempty"`
	// Version, or a range of versions such as ^1.2 or 1.x, whose newest is followed.
	// Empty: the newest that is no pre-release.
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Version string `json:"version,omitempty"`
	// ReleaseName that the templates see. Default: the name of the Application.
	// +optional
	// +kubebuilder:validation:MaxLength=53
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	ReleaseName string `json:"releaseName,omitempty"`
	// ValueFiles of source.repository, relative to source.path, or to its root if they
	// begin with "/"; without source.repository, files of the chart.
	// +optional
	// +kubebuilder:validation:MaxItems=50
	ValueFiles []string `json:"valueFiles,omitempty"`
	// IgnoreMissingValueFiles passes over those of ValueFiles that are not there.
	// +optional
	IgnoreMissingValueFiles bool `json:"ignoreMissingValueFiles,omitempty"`
	// ValuesFrom ConfigMaps and Secrets of this namespace. A change of theirs is a new release.
	// +optional
	// +kubebuilder:validation:MaxItems=50
	ValuesFrom []ValuesFrom `json:"valuesFrom,omitempty"`
	// Values given here.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Values *runtime.RawExtension `json:"values,omitempty"`
	// SkipCRDs leaves out what is in the crds directories of the chart and its subcharts.
	// +optional
	SkipCRDs bool `json:"skipCRDs,omitempty"`
	// CredentialsSecret names a Secret of type kubernetes.io/basic-auth in this namespace;
	// its annotation slipway.dev/host names the one host that it may be sent to. With
	// ca.crt, that authority is trusted there.
	// +optional
	CredentialsSecret string `json:"credentialsSecret,omitempty"`
}

// ValuesFrom names values in a ConfigMap or Secret.
type ValuesFrom struct {
	// +kubebuilder:validation:Enum=ConfigMap;Secret
	Kind string `json:"kind"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Key whose text is YAML. Default values.yaml.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
	// Optional: nothing is missed if it is not there.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// Decryption opens files of the repository that are encrypted with SOPS.
type Decryption struct {
	// SecretRef names a Secret of this namespace whose values are age identities
	// (AGE-SECRET-KEY-1…), one a line.
	SecretRef SecretRef `json:"secretRef"`
}

// SecretRef names a Secret of the same namespace.
type SecretRef struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// Inputs are what a chart is rendered with besides the commit, as they were found when
// the value was written: a release says what it was made of.
type Inputs struct {
	// Version and Digest (sha256:…, of the archive) of a chart that is kept elsewhere.
	// +optional
	Version string `json:"version,omitempty"`
	// +optional
	Digest string `json:"digest,omitempty"`
	// Values is a keyed digest of spec.source and of what ValuesFrom named.
	// +optional
	Values string `json:"values,omitempty"`
	// At is when. Charts without a commit take it for the time.
	// +optional
	At *metav1.Time `json:"at,omitempty"`
}

// CauseInputs is the Cause of a value whose chart or values changed, not its commit.
const CauseInputs = "inputs"

// Renderers that a Source can name.
const (
	RendererPlain     = "plain"
	RendererKustomize = "kustomize"
	RendererHelm      = "helm"
)
