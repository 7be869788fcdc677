package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

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
		return show(c, cmd, w, &r, []slipway.Repository{r}, func(r *slipway.Repository) bool { return r.Name == args[0] }, c.repoTable)
	}
	return cmd
}

func (c *user) repoTable(items []slipway.Repository) table {
	t := table{header: []string{"NAME", "URL", "BRANCH", "COMMIT", "PUSHES"}}
	for _, r := range items {
		url := r.Spec.URL
		if url == "" {
			url = fmt.Sprintf("%s/git/%s/%s.git", c.Server, r.Namespace, r.Name)
		}
		t.add(r.Name, url, r.Status.DefaultBranch, short(r.Status.Refs["refs/heads/"+r.Status.DefaultBranch].Commit), strconv.FormatInt(r.Status.Sequence, 10))
	}
	return t
}

func repoAdd(c *user) *cobra.Command {
	var r slipway.Repository
	var forge slipway.Forge
	cmd := &cobra.Command{
		Use: "add NAME [URL]", Args: cobra.RangeArgs(1, 2),
		Short: "Watch the repository at URL, or host a new one",
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name = args[0]
			if len(args) == 2 {
				r.Spec.URL = args[1]
			}
			if forge != (slipway.Forge{}) {
				if forge.TokenSecret == "" {
					return usageError{errors.New("--forge, --forge-api and --forge-project need --forge-token, the Secret with the token")}
				}
				r.Spec.Forge = &forge
			}
			return c.Call(cmd.Context(), "POST", c.Path("repositories"), &r, nil)
		},
	}
	cmd.Flags().StringSliceVar(&r.Spec.Branches, "branch", nil, "branch or pattern to act on (default all)")
	cmd.Flags().StringSliceVar(&r.Spec.ExcludeBranches, "exclude-branch", nil, "branch or pattern to leave out")
	cmd.Flags().StringSliceVar(&r.Spec.Tags, "tag", nil, "tag or pattern to act on (default all)")
	cmd.Flags().StringSliceVar(&r.Spec.ExcludeTags, "exclude-tag", nil, "tag or pattern to leave out")
	cmd.Flags().StringSliceVar(&r.Spec.Paths, "path", nil, "path or pattern: a push that changes none of them starts no run")
	cmd.Flags().StringVar(&r.Spec.CredentialsSecret, "credentials", "", "Secret with a token, an ssh key, or a GitHub App")
	cmd.Flags().StringVar(&r.Spec.WebhookSecret, "webhook-secret", "", "Secret whose key token signs webhooks")
	cmd.Flags().StringSliceVar(&r.Spec.TriggeredBy, "triggered-by", nil, "repository whose jobs may start runs of this one, whoever caused theirs; * for all of the namespace")
	cmd.Flags().StringSliceVar(&r.Spec.ReadableByJobs, "readable-by-jobs-of", nil, "repository whose jobs may fetch this one, as a submodule or with git; * for all of the namespace")
	cmd.Flags().StringVar(&r.Spec.MergeRequests, "merge-requests", "", "those that have runs: all (of forks after approval), branches (not of forks), none (default all)")
	cmd.Flags().BoolVar(&r.Spec.PublicBadge, "public-badge", false, "show the badge to everybody")
	cmd.Flags().StringVar(&forge.TokenSecret, "forge-token", "", "Secret whose key token may write commit statuses")
	cmd.Flags().StringVar(&forge.Kind, "forge", "", "github, gitlab, gitea or bitbucket (default: by the host of URL)")
	cmd.Flags().StringVar(&forge.API, "forge-api", "", "address of the forge's API (default: by URL)")
	cmd.Flags().StringVar(&forge.Project, "forge-project", "", "owner/name at the forge (default: by URL)")
	return cmd
}

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
