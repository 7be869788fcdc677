package render

import (
	"time"

	"slipway.dev/cluster/api/v1alpha1"
)

// Request says what to render.
type Request struct {
	// Path of the directory within the tree. Default "deploy".
	Path string `json:"path"`
	// Recurse reads plain manifests of the directories below Path, too.
	Recurse bool `json:"recurse,omitempty"`
	// Renderer is "plain", "kustomize", "helm" or empty: found out.
	Renderer string `json:"renderer,omitempty"`
	// Images whose digests replace the tags of the same names.
	Images []v1alpha1.Image `json:"images,omitempty"`
	// Renew has Images replace digests in the manifests too: those were written back there.
	Renew bool `json:"renew,omitempty"`
	// Namespace of objects without one.
	Namespace string `json:"namespace,omitempty"`
	// Application is the value of the label slipway.dev/application. It goes to objects
	// and pod templates, never into a selector.
	Application string `json:"application,omitempty"`
	// Chart says how a chart is rendered.
	Chart Chart `json:"chart,omitzero"`
	// Cluster is what is known of the target.
	Cluster Cluster `json:"cluster,omitzero"`
	// Decryption: encrypted files may be asked for. RemoteBases: bases of Kustomize.
	Decryption  bool `json:"decryption,omitempty"`
	RemoteBases bool `json:"remoteBases,omitempty"`
	// Brought says where in the tree the server put what an answer asked for, by Need.Key.
	Brought map[string]string `json:"brought,omitempty"`
}

// Chart says how a chart is rendered.
type Chart struct {
	// Archive in the tree; empty: the directory Path is the chart.
	Archive string `json:"archive,omitempty"`
	// Release is the name that templates see. Default: the application's.
	Release string `json:"release,omitempty"`
	// ValueFiles in the tree, or in the archive if FilesOfChart.
	ValueFiles   []string `json:"valueFiles,omitempty"`
	FilesOfChart bool     `json:"filesOfChart,omitempty"`
	// IgnoreMissing passes over value files that are not there.
	IgnoreMissing bool `json:"ignoreMissing,omitempty"`
	// Values in their order; later ones win, and over those of files.
	Values   []Values `json:"values,omitempty"`
	SkipCRDs bool     `json:"skipCRDs,omitempty"`
	// Seed of everything that templates think is random. Secret.
	Seed []byte `json:"seed,omitempty"`
	// Time is what templates think is now.
	Time time.Time `json:"time,omitzero"`
}

// Values are one YAML mapping and the name of where it is from.
type Values struct {
	From string `json:"from"`
	Text string `json:"text"`
}

// Cluster is what is known of the target: nothing is asked while rendering.
type Cluster struct {
	Version string `json:"version,omitempty"`
	// APIVersions as "v1", "apps/v1" and "apps/v1/Deployment".
	APIVersions []string `json:"apiVersions,omitempty"`
	// Unscoped are the kinds without a namespace, as "group/Kind".
	Unscoped []string `json:"unscoped,omitempty"`
}
