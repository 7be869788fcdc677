package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LogStackName is what the one LogStack of a cluster is called.
const LogStackName = "logs"

// LogStackNamespace holds what a LogStack consists of.
const LogStackNamespace = "slipway-logs"

// LogStack is a Fluentd and an Elasticsearch on this cluster, with a Logstash and a Kibana
// where they are asked for, of images that the administrator names. Every line that is
// collected goes to the Fluentd, and from there to the Elasticsearch.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'logs'",message="there is one LogStack, called logs"
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Health",type=string,JSONPath=`.status.elasticsearchHealth`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`
type LogStack struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   LogStackSpec   `json:"spec"`
	Status LogStackStatus `json:"status,omitempty"`
}

// LogStackSpec says what the stack consists of.
type LogStackSpec struct {
	Fluentd       FluentdSpec       `json:"fluentd"`
	Elasticsearch ElasticsearchSpec `json:"elasticsearch"`
	// +optional
	Logstash *LogstashSpec `json:"logstash,omitempty"`
	// +optional
	Kibana *KibanaSpec `json:"kibana,omitempty"`
	// PullSecrets are Secrets of the namespace slipway-logs with which images are pulled.
	// +optional
	// +kubebuilder:validation:MaxItems=8
	PullSecrets []string `json:"pullSecrets,omitempty"`
}

// StackResources are what one pod is given: requested, and of memory not exceeded.
type StackResources struct {
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// FluentdSpec is one pod on each node.
type FluentdSpec struct {
	// Image has Fluentd 1.x with fluent-plugin-elasticsearch 5.2 or later.
	// +kubebuilder:validation:MinLength=1
	Image string `json:"image"`
	// +optional
	Resources StackResources `json:"resources,omitempty"`
	// Buffer is how much waits on a node while Elasticsearch is away; default 1Gi.
	// +optional
	Buffer *resource.Quantity `json:"buffer,omitempty"`
	// Config is put into its configuration before the output to Elasticsearch: filters,
	// sources, and outputs of one's own.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	Config string `json:"config,omitempty"`
}

// ElasticsearchSpec is a cluster of equal nodes.
//
// +kubebuilder:validation:XValidation:rule="self.replicas >= oldSelf.replicas",message="nodes that go would take shards with them; remove the stack and apply it again"
// +kubebuilder:validation:XValidation:rule="self.storage == oldSelf.storage",message="claims that exist do not change; remove the stack with its data and apply it again"
type ElasticsearchSpec struct {
	// Image has Elasticsearch 8 or later.
	// +kubebuilder:validation:MinLength=1
	Image string `json:"image"`
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// +kubebuilder:default={}
	// +optional
	Storage StackStorage `json:"storage,omitempty"`
	// +optional
	Resources StackResources `json:"resources,omitempty"`
	// Heap of the Java machine, such as 1Gi; empty: it takes half of the memory.
	// +optional
	Heap *resource.Quantity `json:"heap,omitempty"`
	// Retention is after how many days lines are deleted.
	// +kubebuilder:default=14
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3650
	// +optional
	Retention int32 `json:"retention,omitempty"`
}

// StackStorage is the claim of each node.
type StackStorage struct {
	// +kubebuilder:default="10Gi"
	// +optional
	Size resource.Quantity `json:"size,omitempty"`
	// Class of the storage; empty: the cluster's default.
	// +optional
	Class string `json:"class,omitempty"`
}

// LogstashSpec is one pod that takes what others send and writes it to the Elasticsearch.
type LogstashSpec struct {
	// Image has Logstash 8 or later.
	// +kubebuilder:validation:MinLength=1
	Image string `json:"image"`
	// +optional
	Resources StackResources `json:"resources,omitempty"`
	// Pipeline has inputs and filters in Logstash's own form; the output is added. Empty: an
	// http input on port 8080, with TLS and a password.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	Pipeline string `json:"pipeline,omitempty"`
	// Port that the pipeline listens at; default 8080.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// KibanaSpec is one pod.
type KibanaSpec struct {
	// Image has a Kibana of the Elasticsearch's version.
	// +kubebuilder:validation:MinLength=1
	Image string `json:"image"`
	// +optional
	Resources StackResources `json:"resources,omitempty"`
}

// States of a stack and of its parts.
const (
	StackReady       = "Ready"
	StackProgressing = "Progressing"
	StackDegraded    = "Degraded"
)

// LogStackStatus is how it is.
type LogStackStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// State is the worst of the parts'.
	// +optional
	State string `json:"state,omitempty"`
	// Message says why it is not ready, and what to do.
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=name
	Components []StackComponent `json:"components,omitempty"`
	// ElasticsearchHealth is green, yellow or red as Elasticsearch says it.
	// +optional
	ElasticsearchHealth string `json:"elasticsearchHealth,omitempty"`
	// Conditions: Ready, Progressing, Degraded.
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// StackComponent is one part: fluentd, elasticsearch, logstash, kibana.
type StackComponent struct {
	Name string `json:"name"`
	// State: Ready, Progressing, Degraded.
	State string `json:"state"`
	// Ready pods of those Wanted.
	Ready  int32 `json:"ready"`
	Wanted int32 `json:"wanted"`
	// Reason is one word, such as ImagePullBackOff.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Message says why it is not ready, and what to do.
	// +optional
	Message string `json:"message,omitempty"`
	// Address within the cluster.
	// +optional
	Address string `json:"address,omitempty"`
}

// LogStackList is a list of LogStack.
//
// +kubebuilder:object:root=true
type LogStackList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []LogStack `json:"items"`
}
