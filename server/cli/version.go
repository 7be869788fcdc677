package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"k8s.io/component-base/version"
)

// Version of this binary and of what it carries.
type Version struct {
	// Commit of Slipway's repository that it was built from.
	Commit     string `json:"commit"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
	Kubernetes string `json:"kubernetes"`
	// Modules that it carries besides, by name.
	Modules map[string]string `json:"modules"`
}

// carried are the modules that people ask the version of.
var carried = []struct{ name, module string }{
	{"etcd", "go.etcd.io/etcd/server/v3"},
	{"containerd", "github.com/containerd/containerd/v2"},
	{"BuildKit", "github.com/moby/buildkit"},
	{"Tekton", "github.com/tektoncd/pipeline"},
	{"Helm", "helm.sh/helm/v4"},
	{"Kustomize", "sigs.k8s.io/kustomize/api"},
	{"Prometheus", "github.com/prometheus/prometheus"},
	{"VictoriaLogs", "github.com/VictoriaMetrics/VictoriaLogs"},
}

func versionVerb(c *user) *cobra.Command {
	return &cobra.Command{
		Use: "version", Args: cobra.NoArgs, Short: "The commit of this binary, and the versions of what it carries",
		RunE: func(cmd *cobra.Command, _ []string) error {
			kubernetes := version.Get()
			v := Version{Commit: kubernetes.GitCommit, Kubernetes: kubernetes.GitVersion,
				Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Modules: map[string]string{}}
			t := table{header: []string{"PART", "VERSION"}}
			t.add("Slipway", v.Commit)
			t.add("Kubernetes", v.Kubernetes)
			have := modules()
			for _, m := range carried {
				if is := have[m.module]; is != "" {
					v.Modules[m.name] = is
					t.add(m.name, is)
				}
			}
			t.add("Go", v.Go+" "+v.Platform)
			return c.print(cmd.OutOrStdout(), v, t)
		},
	}
}

// modules that are linked in, by path.
func modules() map[string]string {
	all := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return all
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all[m.Path] = m.Version
	}
	return all
}
