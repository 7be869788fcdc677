package cli

import (
	"strings"
	"testing"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

func TestStackFlags(t *testing.T) {
	flags := stackFlags{fluentd: "f", elasticsearch: "e", kibana: "k", storage: "50Gi", class: "fast", replicas: 3, retention: 30, pullSecrets: []string{"robot"}}
	spec, err := flags.spec(nil)
	if err != nil || spec.Fluentd.Image != "f" || spec.Elasticsearch.Image != "e" || spec.Elasticsearch.Replicas != 3 || spec.Elasticsearch.Retention != 30 ||
		spec.Elasticsearch.Storage.Size.String() != "50Gi" || spec.Elasticsearch.Storage.Class != "fast" || spec.Kibana.Image != "k" || spec.Logstash != nil || spec.PullSecrets[0] != "robot" {
		t.Errorf("%+v %v", spec, err)
	}
	if _, err := (stackFlags{storage: "much"}).spec(nil); err == nil || !strings.Contains(err.Error(), "--storage") {
		t.Errorf("no quantity: %v", err)
	}
}

func TestStackFile(t *testing.T) {
	for text, want := range map[string]string{
		"kind: LogStack\nspec: {fluentd: {image: f}, elasticsearch: {image: e, replicas: 3}}":  "",
		"kind: Application\nspec: {fluentd: {image: f}, elasticsearch: {image: e}}":            "want LogStack",
		"kind: LogStack\nspec: {fluentd: {image: f}}":                                          "spec.elasticsearch.image",
		"kind: LogStack\nspec: {fluentd: {image: f, imagee: g}, elasticsearch: {image: e}}":    "imagee",
		"kind: LogStack\nspec: {fluentd: {image: f}, elasticsearch: {image: e, heap: plenty}}": "quantit",
	} {
		spec, err := stackFlags{file: "-"}.spec(strings.NewReader(text))
		switch {
		case want == "" && (err != nil || spec.Elasticsearch.Replicas != 3):
			t.Errorf("%s: %+v %v", text, spec, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestHowAStackIsReached(t *testing.T) {
	l := &slipway.LogStack{}
	if got := reachStack(l); !strings.Contains(got, "service/elasticsearch 9200") || strings.Contains(got, "kibana") {
		t.Error(got)
	}
	l.Spec.Kibana = &slipway.KibanaSpec{}
	l.Status.Message = "the namespace is another's"
	if got := reachStack(l); !strings.Contains(got, "service/kibana 5601") || !strings.Contains(got, "another's") {
		t.Error(got)
	}
}
