package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

func appsetVerb(c *user) *cobra.Command {
	v := &cobra.Command{Use: "appset", Aliases: []string{"appsets", "applicationset"}, Short: "One application for each directory, branch or merge request"}
	v.AddCommand(appsetCreate(c), appsetList(c), appsetGet(c), appsetApprove(c),
		deletion(c, "applicationsets", "Delete an application set, its applications and their previews"))
	return v
}

func appsetCreate(c *user) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "create -f FILE", Short: "Create an application set from a file", Args: cobra.NoArgs,
		Example: "  slipway appset create -f previews.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var set slipway.ApplicationSet
			if err := readYAML(cmd, file, &set); err != nil {
				return err
			}
			if set.Kind != "" && set.Kind != "ApplicationSet" {
				return fmt.Errorf("%s: kind %q; want ApplicationSet", file, set.Kind)
			}
			return c.Call(cmd.Context(), "POST", c.Path("applicationsets"), &set, nil)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "YAML or JSON of the ApplicationSet, - for standard input (required)")
	_ = cmd.MarkFlagRequired("file")
	return cmd
}

func appsetList(c *user) *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List application sets", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var l slipway.ApplicationSetList
		if err := c.Call(cmd.Context(), "GET", c.Path("applicationsets"), nil, &l); err != nil {
			return err
		}
		t := table{header: []string{"NAME", "REPOSITORY", "APPLICATIONS", "AGE", "MESSAGE"}}
		for _, s := range l.Items {
			message := ""
			for _, k := range s.Status.Conditions {
				message = k.Message
			}
			t.add(s.Name, s.Spec.Repository, strconv.Itoa(s.Status.Count), age(s.CreationTimestamp.Time), message)
		}
		return c.print(cmd.OutOrStdout(), &l, t)
	}}
}

func appsetGet(c *user) *cobra.Command {
	return &cobra.Command{Use: "get NAME", Aliases: []string{"show"}, Short: "Show what an application set made", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		var s slipway.ApplicationSet
		if err := c.Call(cmd.Context(), "GET", c.Path("applicationsets", args[0]), nil, &s); err != nil {
			return err
		}
		t := table{header: []string{"FOR", "APPLICATION", "PHASE", "COMMIT", "RELEASE", "HEALTH", "SYNC", "ADDRESS", "MESSAGE", "NAMESPACE"}, wide: 1}
		for _, a := range s.Status.Applications {
			t.add(standsFor(a), a.Name, a.Phase, short(a.Commit), strconv.FormatInt(a.Release, 10), a.Health, a.Sync, strings.Join(a.Addresses, " "), a.Message, a.Namespace)
		}
		if err := c.print(cmd.OutOrStdout(), &s, t); err != nil || c.output == "json" || c.output == "yaml" {
			return err
		}
		for _, k := range s.Status.Conditions {
			if k.Status == "False" {
				fmt.Fprintf(cmd.OutOrStdout(), "\n%s: %s\n", k.Type, k.Message)
			}
		}
		return nil
	}}
}

func standsFor(a slipway.GeneratedApplication) string {
	switch {
	case a.Number > 0:
		return fmt.Sprintf("merge request %d (%s)", a.Number, a.Branch)
	case a.Directory != "":
		return a.Directory
	}
	return a.Branch
}

func appsetApprove(c *user) *cobra.Command {
	var commit string
	cmd := &cobra.Command{
		Use: "approve NAME NUMBER --commit COMMIT", Short: "Show a commit of a fork's merge request, after a look at it", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil || number < 1 {
				return usageError{fmt.Errorf("merge request %q: want its number", args[1])}
			}
			if commit == "" {
				return usageError{errors.New("--commit: name the commit that you looked at; `slipway appset get " + args[0] + " -o yaml` shows it")}
			}
			body := map[string]any{"number": number, "commit": commit}
			return c.Call(cmd.Context(), "POST", c.Path("applicationsets", args[0], "approve"), body, nil)
		},
	}
	cmd.Flags().StringVar(&commit, "commit", "", "the commit, as 40 hexadecimal digits (required)")
	return cmd
}
