package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

func repoRequests(c *user) *cobra.Command {
	return &cobra.Command{
		Use: "merge-requests NAME", Aliases: []string{"pull-requests", "mrs", "prs"}, Args: cobra.ExactArgs(1),
		Short: "List the merge requests of a repository elsewhere, as its webhooks told",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r slipway.Repository
			if err := c.Call(cmd.Context(), "GET", c.Path("repositories", args[0]), nil, &r); err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout(), r.Status.MergeRequests, requestTable(&r))
		},
	}
}

func requestTable(r *slipway.Repository) table {
	t := table{header: []string{"NUMBER", "STATE", "FROM", "INTO", "COMMIT", "RUN", "AGE", "TITLE", "AUTHOR", "URL", "MESSAGE"}, wide: 3}
	for _, m := range r.Status.MergeRequests {
		state, from, run := m.State, m.Source, ""
		if m.Draft {
			state += ", draft"
		}
		if m.Fork {
			from = fmt.Sprintf("%s:%s (fork)", m.SourceProject, m.Source)
		}
		if m.Sequence > 0 {
			run = fmt.Sprintf("%s-%d", r.Name, m.Sequence)
		}
		t.add(strconv.FormatInt(m.Number, 10), state, from, m.Target, short(m.Commit), run, age(m.Updated.Time), m.Title, m.Author, m.URL, m.Message)
	}
	return t
}
