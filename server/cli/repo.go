package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/badge"
)

func repoVerb(c *user) *cobra.Command {
	repo := &cobra.Command{Use: "repo", Aliases: []string{"repos", "repository"}, Short: "Git repositories, hosted here or watched elsewhere"}
	repo.AddCommand(
		repoAdd(c),
		repoList(c), repoGet(c),
		&cobra.Command{Use: "sync NAME", Short: "Look at a repository's remote now", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return c.Call(cmd.Context(), "POST", c.Path("repositories", args[0], "sync"), nil, nil)
		}},
		repoRequests(c), repoDeliveries(c), repoRedeliver(c),
		repoBadge(c),
		deletion(c, "repositories", "Delete a repository and, if it is hosted here, its data"),
	)
	repo.AddCommand(repoBrowse(c)...)
	return repo
}

func repoList(c *user) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List repositories", Args: cobra.NoArgs}
	w := watchFlag(cmd, "Repository")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var l slipway.RepositoryList
		if err := c.Call(cmd.Context(), "GET", c.Path("repositories"), nil, &l); err != nil {
			return err
		}
		slices.SortFunc(l.Items, func(a, b slipway.Repository) int { return strings.Compare(a.Name, b.Name) })
		return show(c, cmd, w, &l, l.Items, func(*slipway.Repository) bool { return true }, c.repoTable)
	}
	return cmd
}

func repoGet(c *user) *cobra.Command {
	cmd := &cobra.Command{Use: "get NAME", Short: "Show a repository", Args: cobra.ExactArgs(1)}
	w := watchFlag(cmd, "Repository")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var r slipway.Repository
		if err := c.Call(cmd.Context(), "GET", c.Path("repositories", args[0]), nil, &r); err != nil {
			return err
		}
		err := show(c, cmd, w, &r, []slipway.Repository{r}, func(r *slipway.Repository) bool { return r.Name == args[0] }, c.repoTable)
		if err != nil || w.on || c.output == "json" || c.output == "yaml" {
			return err
		}
		return c.repoDetails(cmd.OutOrStdout(), &r)
	}
	return cmd
}

func (c *user) repoTable(items []slipway.Repository) table {
	t := table{header: []string{"NAME", "URL", "BRANCH", "COMMIT", "PUSHES", "STATE", "MESSAGE", "LOOKED"}, wide: 1}
	for _, r := range items {
		url := r.Spec.URL
		if url == "" {
			url = fmt.Sprintf("%s/git/%s/%s.git", c.Server, r.Namespace, r.Name)
		}
		state, message := stateOf(&r)
		looked := ""
		if at := r.Status.LastPolled; at != nil {
			looked = age(at.Time)
		}
		t.add(r.Name, url, r.Status.DefaultBranch, short(r.Status.Refs["refs/heads/"+r.Status.DefaultBranch].Commit), strconv.FormatInt(r.Status.Sequence, 10), state, message, looked)
	}
	return t
}

// stateOf a repository, and, where it is not as it should be, why.
func stateOf(r *slipway.Repository) (state, message string) {
	switch k := meta.FindStatusCondition(r.Status.Conditions, "Ready"); {
	case k == nil:
		return "Pending", ""
	case k.Status == "True":
		return "Ready", ""
	default:
		return k.Reason, strings.TrimPrefix(k.Message, "repository "+r.Name+": ")
	}
}

// repoDetails prints what a table has no room for: polling, refs and other conditions.
func (c *user) repoDetails(w io.Writer, r *slipway.Repository) error {
	if p := r.Status.Polling; p != nil && r.Spec.URL != "" {
		fmt.Fprintf(w, "\nPolled every %s: %s\n", p.Every.Duration, p.Message)
	}
	for _, k := range r.Status.Conditions {
		if k.Type != "Ready" && k.Message != "" {
			fmt.Fprintf(w, "\n%s: %s\n", k.Type, k.Message)
		}
	}
	if len(r.Status.Refs) == 0 {
		return nil
	}
	newest := slices.SortedFunc(maps.Keys(r.Status.Refs), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Status.Refs[b].Sequence, r.Status.Refs[a].Sequence), cmp.Compare(a, b))
	})
	fmt.Fprintln(w)
	t := table{header: []string{"REF", "COMMIT", "SEEN", "VIA", "BY", "NOTE"}}
	for _, name := range newest[:min(len(newest), mostRefs)] {
		at := r.Status.Refs[name]
		note := ""
		if at.NoRun != "" {
			note = "no run: " + at.NoRun
		}
		t.add(strings.TrimPrefix(name, "refs/heads/"), short(at.Commit), age(at.Seen.Time), at.Via, at.By, note)
	}
	if err := c.print(w, nil, t); err != nil {
		return err
	}
	if more := len(newest) - mostRefs; more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	return nil
}

// mostRefs that `repo get` shows, those that changed last.
const mostRefs = 20

func repoBadge(c *user) *cobra.Command {
	var branch string
	var coverage bool
	cmd := &cobra.Command{
		Use: "badge NAME", Args: cobra.ExactArgs(1), Short: "Show the Markdown of a repository's badge",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r slipway.Repository
			if err := c.Call(cmd.Context(), "GET", c.Path("repositories", args[0]), nil, &r); err != nil {
				return err
			}
			q := url.Values{}
			label := "pipeline"
			if branch != "" {
				q.Set("branch", branch)
			}
			if coverage {
				q.Set("show", "coverage")
				label = "coverage"
			}
			at := c.Server + badge.Path + r.Namespace + "/" + r.Name + ".svg"
			if len(q) > 0 {
				at += "?" + q.Encode()
			}
			fmt.Fprintf(cmd.OutOrStdout(), "[![%s](%s)](%s/repositories/%s)\n", label, at, c.Server, r.Name)
			if !r.Spec.PublicBadge {
				fmt.Fprintf(cmd.ErrOrStderr(), "only those who may read the repository see it; for everybody: slipway kubectl patch repository %s --type merge -p '{\"spec\":{\"publicBadge\":true}}'\n", r.Name)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&branch, "branch", "", "of this branch (default the repository's default branch)")
	cmd.Flags().BoolVar(&coverage, "coverage", false, "the coverage in place of the phase")
	return cmd
}
