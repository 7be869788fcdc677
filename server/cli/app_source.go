package cli

import (
	"strings"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// sourceFlags binds what an application is made of. What it returns completes the source
// of an application of that name, once flags are parsed.
func sourceFlags(cmd *cobra.Command, s *slipway.Source) (complete func(name string)) {
	var chart slipway.Helm
	var ageSecret string
	f := cmd.Flags()
	f.StringVar(&s.Repository, "repo", "", "repository (default the application's name, or none for a chart of --chart-repo)")
	f.StringVar(&s.Path, "path", "deploy", "directory of the manifests, the kustomization or the chart")
	f.BoolVar(&s.Recurse, "recurse", false, "read plain manifests of the directories below --path, too")
	f.StringVar(&s.Renderer, "renderer", "", "plain, kustomize or helm (default found out)")
	f.StringVar(&chart.Chart, "chart", "", "chart of --chart-repo")
	f.StringVar(&chart.Repository, "chart-repo", "", "chart repository: https://… or oci://…")
	f.StringVar(&chart.Version, "chart-version", "", "version, or range of versions to follow (default the newest)")
	f.StringArrayVar(&chart.ValueFiles, "values", nil, "file with values of the chart; may be repeated, later ones win")
	f.BoolVar(&chart.IgnoreMissingValueFiles, "ignore-missing-values", false, "pass over files of --values that are not there")
	f.StringVar(&chart.CredentialsSecret, "chart-credentials", "", "secret with a user name and a password for the host of --chart-repo")
	f.StringVar(&ageSecret, "age-secret", "", "secret with age keys, for files that are encrypted with SOPS")
	return func(name string) {
		if chart.Chart != "" || chart.Repository != "" || len(chart.ValueFiles) > 0 {
			s.Helm = &chart
		}
		if s.Repository == "" && chart.Repository == "" {
			s.Repository = name
		}
		if ageSecret != "" {
			s.Decryption = &slipway.Decryption{SecretRef: slipway.SecretRef{Name: ageSecret}}
		}
	}
}

// sourceOf is the repository of an application, or its chart.
func sourceOf(a *slipway.Application) string {
	if h := a.Spec.Source.Helm; a.Spec.Source.Repository == "" && h != nil {
		return strings.TrimSuffix(h.Repository, "/") + "/" + h.Chart
	}
	return a.Spec.Source.Repository
}

// valueOf is the commit of a value, with the tag that led to it, or the version of its chart.
func valueOf(d slipway.Desired) string {
	if d.Commit == "" && d.Inputs != nil {
		return d.Inputs.Version
	}
	if tag := d.Tag(); tag != "" {
		return tag + " (" + short(d.Commit) + ")"
	}
	return short(d.Commit)
}
