// Command gen copies Tekton's resource definitions from its module into ./tekton, and
// those of the Prometheus Operator that we act on into ./monitoring: only the stored
// version of each, without conversion webhook and without descriptions (which nobody reads
// at run time and which would be a megabyte).
//
// It is run by `go generate ./cluster/api/crds`.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

var kinds = []string{"customrun", "pipeline", "pipelinerun", "resolutionrequest", "stepaction", "task", "taskrun", "verificationpolicy"}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tektoncd/pipeline").Output()
	if err != nil {
		return fmt.Errorf("find tekton's module: %w", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "config", "300-crds")
	for _, kind := range kinds {
		data, err := os.ReadFile(filepath.Join(dir, "300-"+kind+".yaml"))
		if err != nil {
			return err
		}
		if data, err = reduce(data); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if err := os.WriteFile(filepath.Join("tekton", kind+".yaml"), data, 0o644); err != nil {
			return err
		}
	}
	return monitoring()
}

// monitored are the kinds of the Prometheus Operator that we act on.
var monitored = []string{"podmonitors", "probes", "prometheusrules", "servicemonitors"}

// monitoring copies definitions from the operator's own module, of which we link only the types.
func monitoring() error {
	const operator = "github.com/prometheus-operator/prometheus-operator"
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", operator+"/pkg/apis/monitoring").Output()
	if err != nil {
		return fmt.Errorf("version of the operator's types: %w", err)
	}
	if out, err = exec.Command("go", "mod", "download", "-json", operator+"@"+strings.TrimSpace(string(out))).Output(); err != nil {
		return fmt.Errorf("fetch the operator's module: %w", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	for _, kind := range monitored {
		data, err := os.ReadFile(filepath.Join(module.Dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_"+kind+".yaml"))
		if err != nil {
			return err
		}
		if data, err = reduce(data); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if err := os.WriteFile(filepath.Join("monitoring", kind+".yaml"), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func reduce(data []byte) ([]byte, error) {
	var crd map[string]any
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return nil, err
	}
	crd["metadata"] = map[string]any{"name": crd["metadata"].(map[string]any)["name"]}
	spec := crd["spec"].(map[string]any)
	delete(spec, "conversion")
	delete(spec, "preserveUnknownFields")
	var stored []any
	for _, v := range spec["versions"].([]any) {
		v := v.(map[string]any)
		if v["storage"] == true {
			dropDescriptions(v["schema"])
			stored = append(stored, v)
		}
	}
	spec["versions"] = stored
	return yaml.Marshal(crd)
}

// dropDescriptions removes descriptions of schemas, not properties of that name.
func dropDescriptions(v any) {
	switch v := v.(type) {
	case map[string]any:
		if text, ok := v["description"].(string); ok && text != "" {
			delete(v, "description")
		}
		for _, child := range v {
			dropDescriptions(child)
		}
	case []any:
		for _, child := range v {
			dropDescriptions(child)
		}
	}
}
