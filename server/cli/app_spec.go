package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// option is a flag for one field of an application's spec.
type option struct {
	flag, field string
	// kind: text, number, truth, list.
	kind, usage string
}

// sourceOptions are what `app create` has flags of its own for.
var sourceOptions = []option{
	{"repo", "source.repository", "text", "repository"},
	{"path", "source.path", "text", "directory of the manifests, the kustomization or the chart"},
	{"recurse", "source.recurse", "truth", "read plain manifests of the directories below --path, too"},
	{"renderer", "source.renderer", "text", "plain, kustomize or helm"},
	{"chart", "source.helm.chart", "text", "chart of --chart-repo"},
	{"chart-repo", "source.helm.repository", "text", "chart repository: https://… or oci://…"},
	{"chart-version", "source.helm.version", "text", "version, or range of versions to follow"},
	{"values", "source.helm.valueFiles", "list", "files with values of the chart, later ones win"},
	{"ignore-missing-values", "source.helm.ignoreMissingValueFiles", "truth", "pass over files of --values that are not there"},
	{"sync", "sync", "text", "what changes it: push, pipeline or manual"},
	{"needs", "needs", "list", "applications that must be healthy and synced first"},
}

// specOptions are the rest of what is one word long; everything else comes from a file.
var specOptions = []option{
	{"watch-path", "source.watchPaths", "list", "further directories and files that it is made of"},
	{"dest-namespace", "namespace", "text", "namespace that its objects go to"},
	{"kubeconfig-secret", "cluster.kubeconfigSecret", "text", "Secret with the kubeconfig of the cluster that its objects go to"},
	{"service-account", "serviceAccount", "text", "account that applies it"},
	{"health-deadline", "healthDeadline", "text", "time that a release has to become healthy, such as 10m"},
	{"history-limit", "historyLimit", "number", "releases that are kept"},
	{"drift", "syncOptions.drift", "text", "what becomes of changes by others: heal or report"},
	{"conflicts", "syncOptions.conflicts", "text", "fields that others manage: take or fail"},
	{"adopt", "syncOptions.adopt", "truth", "take over objects that exist and belong to no application"},
	{"auto-prune", "syncOptions.prune", "truth", "delete what left the set"},
	{"create-namespace", "syncOptions.createNamespace", "truth", "make the namespace of its objects"},
	{"replace", "syncOptions.replace", "truth", "write whole objects in place of fields"},
	{"force", "syncOptions.force", "truth", "make objects anew where a change touches a field that cannot change"},
	{"restart-on-config-change", "syncOptions.restartOnConfigChange", "truth", "restart pods when a ConfigMap or Secret of theirs changes"},
	{"deletion", "deletion", "text", "what becomes of its objects when it is deleted: prune or orphan"},
	{"write-back-images", "writeBack.images", "truth", "commit the digests of healthy releases"},
	{"write-back-rollback", "writeBack.rollback", "truth", "commit rollbacks as reverts"},
	{"write-back-branch", "writeBack.branch", "text", "branch of these commits"},
}

// specFlags binds options. What it returns is the spec that the flags which were given
// stand for; an empty one takes a field away.
func specFlags(f *pflag.FlagSet, options []option) func() map[string]any {
	for _, o := range options {
		switch o.kind {
		case "truth":
			f.Bool(o.flag, false, o.usage)
		case "number":
			f.Int(o.flag, 0, o.usage)
		case "list":
			f.StringSlice(o.flag, nil, o.usage+"; several with commas")
		default:
			f.String(o.flag, "", o.usage)
		}
	}
	return func() map[string]any {
		spec := map[string]any{}
		for _, o := range options {
			if f.Changed(o.flag) {
				put(spec, o.field, o.value(f))
			}
		}
		return spec
	}
}

func (o option) value(f *pflag.FlagSet) any {
	switch o.kind {
	case "truth":
		v, _ := f.GetBool(o.flag)
		return v
	case "number":
		if v, _ := f.GetInt(o.flag); v != 0 {
			return v
		}
		return nil
	case "list":
		if v, _ := f.GetStringSlice(o.flag); len(v) > 0 {
			return v
		}
		return nil
	}
	if v, _ := f.GetString(o.flag); v != "" {
		return v
	}
	return nil
}

// put a value at a field with dots.
func put(into map[string]any, field string, value any) {
	first, rest, more := strings.Cut(field, ".")
	if !more {
		into[first] = value
		return
	}
	below, ok := into[first].(map[string]any)
	if !ok {
		below = map[string]any{}
		into[first] = below
	}
	put(below, rest, value)
}

// merge what flags say into a spec.
func merge(spec *slipway.ApplicationSpec, flags map[string]any) error {
	text, err := json.Marshal(flags)
	if err == nil {
		err = json.Unmarshal(text, spec)
	}
	return err
}

// readYAML reads a file, or standard input for "-", into v and refuses unknown fields.
func readYAML(cmd *cobra.Command, file string, v any) error {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return parseYAML(file, text, v)
}

func appSet(c *user) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "set NAME", Args: cobra.ExactArgs(1),
		Short: "Change what an application is made of and how it is synchronised",
		Long: "Change what an application is made of and how it is synchronised. An empty value, such as --needs '', takes a field away.\n\n" +
			"With --file, the spec of a file is merged into its own: what the file does not name stays, and null takes a field away.",
		Example: "  slipway app set shop --sync manual --drift report\n  slipway app set shop --semver 1.x\n  slipway app set shop --adopt --health-deadline 10m\n  slipway app set shop -f windows.yaml",
	}
	spec := specFlags(cmd.Flags(), slices.Concat(sourceOptions, revisionOptions, specOptions))
	cmd.Flags().StringVarP(&file, "file", "f", "", "YAML or JSON with a spec, - for standard input")
	cmd.MarkFlagsMutuallyExclusive(flagNames(revisionOptions)...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		change := map[string]any{}
		if file != "" {
			var from struct {
				APIVersion string         `json:"apiVersion,omitempty"`
				Kind       string         `json:"kind,omitempty"`
				Metadata   map[string]any `json:"metadata,omitempty"`
				Spec       map[string]any `json:"spec"`
			}
			if err := readYAML(cmd, file, &from); err != nil {
				return err
			}
			if name, _ := from.Metadata["name"].(string); name != "" && name != args[0] {
				return fmt.Errorf("%s: it is of application %s, not of %s", file, name, args[0])
			}
			change = from.Spec
		}
		for field, value := range spec() {
			if below, ok := value.(map[string]any); ok {
				for k, v := range below {
					put(change, field+"."+k, v)
				}
				continue
			}
			change[field] = value
		}
		instead(change)
		if len(change) == 0 {
			return usageError{errors.New("nothing to change: give a flag or --file; see `slipway app set --help`")}
		}
		var a slipway.Application
		if err := c.Call(cmd.Context(), "PATCH", c.Path("applications", args[0]), map[string]any{"spec": change}, &a); err != nil {
			return err
		}
		if c.output == "json" || c.output == "yaml" {
			return c.print(cmd.OutOrStdout(), &a, table{})
		}
		c.word(cmd, "application %s is changed; `slipway app get %s` shows what comes of it", a.Name, a.Name)
		return nil
	}
	return cmd
}
