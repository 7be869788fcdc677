package run

import (
	"context"
	"strings"
	"testing"

	"slipway.dev/pipelines/plan"
)

func TestJobsThatNoNodeTakes(t *testing.T) {
	d := &Detector{Nodes: func(context.Context) (map[string]map[string]string, error) {
		return map[string]map[string]string{"one": {"gpu": "yes", "kubernetes.io/arch": "amd64"}, "two": {"disk": "ssd", "kubernetes.io/arch": "arm64"}}, nil
	}}
	for nodes, want := range map[string]string{
		"": "", "gpu": "", "gpu=yes": "", "gpu kubernetes.io/arch=amd64": "", "disk=ssd": "",
		"tpu":           `job "a": no node has the label tpu`,
		"gpu=no tpu":    "no node has the label gpu=no, nor tpu",
		"gpu disk":      "no node has all of the labels gpu, disk",
		"not/a/label":   "not a label that a node can have",
		"disk=ssd gpu=": "no node has the label gpu=",
	} {
		got, err := d.placed(t.Context(), &plan.Plan{Source: "x.yml", Jobs: []plan.Job{{Name: "free"}, {Name: "a", Nodes: strings.Fields(nodes)}}})
		if err != nil || len(got) > 1 || (len(got) == 0) != (want == "") || want != "" && (!strings.Contains(got[0].Message, want) || !strings.Contains(got[0].Hint, "kubectl label node")) {
			t.Errorf("%q: %+v %v, want %q", nodes, got, err, want)
		}
	}
}
