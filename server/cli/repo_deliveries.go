package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"slipway.dev/gitops/hook"
	"slipway.dev/server/api"
)

func repoDeliveries(c *user) *cobra.Command {
	return &cobra.Command{
		Use: "deliveries NAME [NUMBER]", Args: cobra.RangeArgs(1, 2),
		Short: "List the webhooks that came for a repository, or show one of them",
		Example: `  slipway repo deliveries shop
  slipway repo deliveries shop 412`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				var d api.Delivery
				if err := c.Call(cmd.Context(), "GET", c.Path("repositories", args[0], "deliveries", args[1]), nil, &d); err != nil {
					return err
				}
				if c.output == "" || c.output == "wide" {
					return printDelivery(cmd.OutOrStdout(), &d)
				}
				return c.print(cmd.OutOrStdout(), &d, table{})
			}
			var l struct {
				Items []hook.Delivery `json:"items"`
			}
			if err := c.Call(cmd.Context(), "GET", c.Path("repositories", args[0], "deliveries"), nil, &l); err != nil {
				return err
			}
			t := table{header: []string{"NUMBER", "AGE", "EVENT", "ABOUT", "OUTCOME", "MESSAGE", "FORGE", "ID", "BY"}, wide: 3}
			for _, d := range l.Items {
				t.add(strconv.FormatUint(d.Number, 10), age(d.Received), d.Event.Name, about(&d.Event), cmp.Or(d.Outcome, "waits"), d.Message, d.Forge, d.ID, d.By)
			}
			return c.print(cmd.OutOrStdout(), &l, t)
		},
	}
}

func repoRedeliver(c *user) *cobra.Command {
	return &cobra.Command{
		Use: "redeliver NAME NUMBER", Args: cobra.ExactArgs(2),
		Short: "Act on a webhook again, as if it came now",
		RunE: func(cmd *cobra.Command, args []string) error {
			var d hook.Delivery
			if err := c.Call(cmd.Context(), "POST", c.Path("repositories", args[0], "deliveries", args[1], "redeliver"), nil, &d); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "delivery %d\n", d.Number)
			return nil
		},
	}
}

// about which refs or merge request an event is.
func about(e *hook.Event) string {
	if m := e.MergeRequest; m != nil {
		return fmt.Sprintf("!%d %s", m.Number, m.State)
	}
	var refs []string
	for _, r := range e.Refs {
		refs = append(refs, strings.TrimPrefix(strings.TrimPrefix(r.Name, "refs/heads/"), "refs/tags/"))
	}
	return strings.Join(refs, " ")
}

// printDelivery as it came, and what was made of it.
func printDelivery(w io.Writer, d *api.Delivery) error {
	_, err := fmt.Fprintf(w, "delivery %d of %s, %s\n%s: %s", d.Number, d.Repository, d.Received.Local().Format("2006-01-02 15:04:05"), cmp.Or(d.Outcome, "waits"), cmp.Or(d.Message, "-"))
	if d.Of > 0 {
		fmt.Fprintf(w, "\nagain for delivery %d, by %s", d.Of, d.By)
	}
	fmt.Fprint(w, "\n\n")
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		fmt.Fprintf(w, "%s: %s\n", name, d.Headers[name])
	}
	body := d.Body
	var tree any
	if json.Unmarshal([]byte(body), &tree) == nil {
		pretty, e := json.MarshalIndent(tree, "", "  ")
		err, body = errors.Join(err, e), string(pretty)
	} else {
		body = strings.Map(func(r rune) rune {
			if r != '\n' && r != '\t' && (r < 0x20 || r >= 0x7f && r < 0xa0) {
				return -1
			}
			return r
		}, body)
	}
	fmt.Fprintf(w, "\n%s\n", body)
	if d.Truncated {
		fmt.Fprintf(w, "... the first part of %d bytes\n", d.Size)
	}
	return err
}
