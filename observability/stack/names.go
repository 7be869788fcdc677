package stack

import (
	"slipway.dev/cluster/api/v1alpha1"
)

// Names of the parts: of their workloads, services and configurations.
const (
	Fluentd       = "fluentd"
	Elasticsearch = "elasticsearch"
	Logstash      = "logstash"
	Kibana        = "kibana"
)

// Parts in the order in which they are shown.
var Parts = []string{Fluentd, Elasticsearch, Logstash, Kibana}

// Ports of the services.
const (
	FluentdPort       = 24224
	ElasticsearchPort = 9200
	LogstashPort      = 8080
	KibanaPort        = 5601

	transportPort = 9300
)

const (
	namespace = v1alpha1.LogStackNamespace
	// nodes is the headless service by which Elasticsearch's nodes find one another.
	nodes = Elasticsearch + "-nodes"

	// labelPart is on everything that is made, and says of which part it is. What is kept
	// with the data has it too, but empty.
	labelPart = "slipway.dev/logstack"
	// annotationConfig has a digest of what a pod reads when it begins.
	annotationConfig = "slipway.dev/config"
)

// Host is the name of a part's service within the cluster, which its certificate is for.
func Host(part string) string { return part + "." + namespace + ".svc" }

func labels(part string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": part, "app.kubernetes.io/part-of": "logstack", "app.kubernetes.io/managed-by": "slipway", labelPart: part}
}

// selector is what never changes of labels.
func selector(part string) map[string]string { return map[string]string{labelPart: part} }
