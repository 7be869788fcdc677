package cli

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/api"
)

func appList(c *user) *cobra.Command {
	var f appFilter
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs,
		Short: "List applications",
		Example: `  slipway app list --health Degraded,Progressing
  slipway app list --sync OutOfSync --repo shop
  slipway app list --search "web explo" --limit 20`,
	}
	f.flags(cmd)
	w := watchFlag(cmd, "Application")
	cmd.MarkFlagsMutuallyExclusive("all-namespaces", "watch")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := c.Applications(cmd.Context(), f.query(), f.everywhere, f.limit)
		if err != nil {
			return err
		}
		asked, err := api.MatchApplication(f.query())
		if err != nil {
			return err
		}
		// One that was shown is told of also when it matches no more.
		listed := map[string]bool{}
		for _, a := range l.Items {
			listed[a.Name] = true
		}
		mine := func(a *slipway.Application) bool { return listed[a.Name] || asked(a) }
		rows := appTable
		if f.everywhere {
			rows = everyTable
		}
		if err := show(c, cmd, w, l, l.Items, mine, rows); err != nil {
			return err
		}
		if left := l.Total - len(l.Items); left > 0 && (c.output == "" || c.output == "wide") {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d more of %d\n", left, l.Total)
		}
		return nil
	}
	return cmd
}

// appFilter says which applications a list is of.
type appFilter struct {
	health, sync, repository, destination []string
	search, set                           string
	failing, everywhere                   bool
	limit                                 int
}

func (f *appFilter) flags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&f.health, "health", nil, "only of this health: Healthy, Progressing, Degraded, Unknown; several with commas")
	fs.StringSliceVar(&f.sync, "sync", nil, "only in this state: Synced, OutOfSync, Pinned, Failed; several with commas")
	fs.StringSliceVar(&f.repository, "repo", nil, "only of this repository")
	fs.StringSliceVar(&f.destination, "destination", nil, "only those whose objects go to this namespace")
	fs.StringVar(&f.set, "appset", "", "only those that this application set made")
	fs.StringVar(&f.search, "search", "", "only with all of these words in name, repository, path, commit, message or address")
	fs.BoolVar(&f.failing, "failing", false, "only what needs attention: degraded, or its sync failed")
	fs.BoolVarP(&f.everywhere, "all-namespaces", "A", false, "of all namespaces that the token may list")
	fs.IntVar(&f.limit, "limit", 0, "at most this many, in the order of their names (default all)")
}

func (f *appFilter) query() url.Values {
	q := url.Values{"health": f.health, "sync": f.sync, "repository": f.repository, "destination": f.destination}
	for key, value := range map[string]string{"q": f.search, "applicationset": f.set} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if f.failing {
		q.Set("failing", "true")
	}
	return q
}

func appTable(items []slipway.Application) table {
	t := table{header: []string{"NAME", "RELEASE", "HEALTH", "SYNC", "ADDRESS", "MESSAGE", "REPOSITORY", "PATH", "FOLLOWS"}, wide: 3}
	for _, a := range items {
		sync := a.Status.Sync
		if a.Spec.Pin != 0 {
			sync = fmt.Sprintf("Pinned(%d)", a.Spec.Pin)
		}
		t.add(a.Name, strconv.FormatInt(a.Status.Current, 10), a.Status.Health, sync, strings.Join(a.Status.Addresses, " "), a.Status.Message, sourceOf(&a), a.Spec.Source.Path, followed(&a))
	}
	return t
}

// everyTable has the namespace as well.
func everyTable(items []slipway.Application) table {
	t := appTable(items)
	t.header = append([]string{"NAMESPACE"}, t.header...)
	for i := range t.rows {
		t.rows[i] = append([]string{items[i].Namespace}, t.rows[i]...)
	}
	return t
}
