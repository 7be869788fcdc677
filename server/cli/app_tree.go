package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"slipway.dev/gitops/apply"
	"slipway.dev/server/api"
)

func appTree(c *user) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "tree NAME", Aliases: []string{"resources"}, Args: cobra.ExactArgs(1),
		Short: "Show the objects of an application and what came of them, with their health",
		RunE: func(cmd *cobra.Command, args []string) error {
			path := c.Path("applications", args[0], "tree")
			if !watch {
				var answer api.TreeAnswer
				if err := c.Call(cmd.Context(), "GET", path, nil, &answer); err != nil {
					return err
				}
				return c.print(cmd.OutOrStdout(), &answer, treeTable(args[0], answer.Items))
			}
			err := c.Events(cmd.Context(), path+"?watch=true", func(data []byte) (bool, error) {
				var answer api.TreeAnswer
				if err := json.Unmarshal(data, &answer); err != nil {
					return false, err
				}
				if err := c.print(cmd.OutOrStdout(), &answer, treeTable(args[0], answer.Items)); err != nil {
					return false, err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout())
				return false, err
			})
			if cmd.Context().Err() != nil {
				return nil // interrupted, as it was to be
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "print it again whenever it changes, until interrupted")
	return cmd
}

// treeTable draws the branches in the first column.
func treeTable(name string, nodes []apply.Node) table {
	t := table{header: []string{"OBJECT", "HEALTH", "INFO", "AGE", "MESSAGE", "NAMESPACE", "GROUP"}, wide: 2}
	t.add("Application/"+name, "", "", "", "", "", "")
	last := map[string]int{} // the last child of each parent
	for i, n := range nodes {
		last[n.Parent] = i
	}
	stem := map[string]string{} // what stands before the children of a node
	for i, n := range nodes {
		branch, below := "├── ", "│   "
		if last[n.Parent] == i {
			branch, below = "└── ", "    "
		}
		stem[n.ID] = stem[n.Parent] + below
		var notes []string
		if n.Hook {
			notes = append(notes, "hook")
		}
		if n.Drifted {
			notes = append(notes, "changed by others")
		}
		if n.Extra != "" {
			notes = append(notes, "no longer in the set")
		}
		if n.Message != "" {
			notes = append(notes, n.Message)
		}
		created := ""
		if n.Created != nil {
			created = age(n.Created.Time)
		}
		t.add(stem[n.Parent]+branch+n.Kind+"/"+n.Name, n.Health, n.Info, created, strings.Join(notes, "; "), n.Namespace, n.Group)
	}
	return t
}

func appObject(c *user) *cobra.Command {
	var ref struct{ group, namespace string }
	var live, desired, diff, events bool
	cmd := &cobra.Command{
		Use: "object NAME KIND/NAME", Aliases: []string{"get-resource"}, Args: cobra.ExactArgs(2),
		Short:   "Show one object of an application: live, desired, what differs, its events; data of Secrets is masked",
		Example: "  slipway app object shop Deployment/web --diff",
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, name, ok := strings.Cut(args[1], "/")
			if !ok || kind == "" || name == "" {
				return usageError{fmt.Errorf("object %q: want KIND/NAME, of `slipway app tree %s`", args[1], args[0])}
			}
			var tree api.TreeAnswer
			if err := c.Call(cmd.Context(), "GET", c.Path("applications", args[0], "tree"), nil, &tree); err != nil {
				return err
			}
			q := url.Values{"kind": {kind}, "name": {name}, "group": {ref.group}, "namespace": {ref.namespace}}
			for _, n := range tree.Items {
				if strings.EqualFold(n.Kind, kind) && n.Name == name && (ref.group == "" || n.Group == ref.group) && (ref.namespace == "" || n.Namespace == ref.namespace) {
					q = url.Values{"kind": {n.Kind}, "name": {n.Name}, "group": {n.Group}, "namespace": {n.Namespace}}
					break
				}
			}
			var v apply.View
			if err := c.Call(cmd.Context(), "GET", c.Path("applications", args[0], "object")+"?"+q.Encode(), nil, &v); err != nil {
				return err
			}
			if c.output == "json" || c.output == "yaml" {
				return c.print(cmd.OutOrStdout(), &v, table{})
			}
			out := cmd.OutOrStdout()
			switch {
			case live:
				_, err := io.WriteString(out, v.Live)
				return err
			case desired:
				_, err := io.WriteString(out, v.Desired)
				return err
			case diff:
				if v.Change != nil {
					_, err := io.WriteString(out, v.Change.Diff)
					return err
				}
				return nil
			case events:
				return c.print(out, nil, eventTable(v.Events))
			}
			if err := c.print(out, nil, treeTable(args[0], []apply.Node{v.Node})); err != nil {
				return err
			}
			for _, text := range []string{v.Problem, v.Live} {
				if text != "" {
					fmt.Fprintf(out, "\n%s\n", strings.TrimSuffix(text, "\n"))
				}
			}
			if v.Change != nil && v.Change.Diff != "" {
				fmt.Fprintf(out, "\n%s", v.Change.Diff)
			}
			if len(v.Events) == 0 {
				return nil
			}
			fmt.Fprintln(out)
			return c.print(out, nil, eventTable(v.Events))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&live, "live", false, "only what is")
	f.BoolVar(&desired, "desired", false, "only what should be")
	f.BoolVar(&diff, "diff", false, "only what differs, as the apiserver sees it")
	f.BoolVar(&events, "events", false, "only its events")
	f.StringVar(&ref.group, "group", "", "API group, where a kind is of several")
	f.StringVar(&ref.namespace, "object-namespace", "", "namespace of the object, where a name is in several")
	cmd.MarkFlagsMutuallyExclusive("live", "desired", "diff", "events")
	return cmd
}

func appEvents(c *user) *cobra.Command {
	return &cobra.Command{Use: "events NAME", Short: "Show what happened to an application: releases, pins, waits, drift", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		var answer api.EventsAnswer
		if err := c.Call(cmd.Context(), "GET", c.Path("applications", args[0], "events"), nil, &answer); err != nil {
			return err
		}
		return c.print(cmd.OutOrStdout(), &answer, eventTable(answer.Items))
	}}
}

// appLogs is `slipway logs` of one application.
func appLogs(c *user) *cobra.Command {
	cmd := logsVerb(c)
	search := cmd.RunE
	cmd.Use, cmd.Args = "logs NAME [QUERY]", cobra.RangeArgs(1, 2)
	cmd.Short = "Search the log lines of an application's pods, also of those that are gone"
	cmd.Example = "  slipway app logs shop -f\n  slipway app logs shop error --since 10m"
	_ = cmd.Flags().MarkHidden("app")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := cmd.Flags().Set("app", args[0]); err != nil {
			return err
		}
		return search(cmd, args[1:])
	}
	return cmd
}

func eventTable(events []apply.Event) table {
	t := table{header: []string{"AGE", "TYPE", "REASON", "COUNT", "MESSAGE"}}
	for _, e := range events {
		t.add(age(e.Last.Time), e.Type, e.Reason, fmt.Sprint(max(e.Count, 1)), e.Message)
	}
	return t
}
