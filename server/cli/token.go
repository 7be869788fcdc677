package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/server/api"
)

func tokenVerb(c *user) *cobra.Command {
	token := &cobra.Command{Use: "token", Aliases: []string{"tokens"}, Short: "Scoped tokens"}
	token.AddCommand(
		&cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List tokens", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			var l struct{ Items []api.Token }
			if err := c.Call(cmd.Context(), "GET", "/api/v1/tokens", nil, &l); err != nil {
				return err
			}
			t := table{header: []string{"ID", "USER", "NAMESPACE", "ROLE", "EXPIRES"}}
			for _, k := range l.Items {
				expires := "never"
				if k.Expires != nil {
					expires = k.Expires.Format(time.RFC3339)
				}
				t.add(k.ID, k.User, k.Namespace, k.Role, expires)
			}
			return c.print(cmd.OutOrStdout(), l.Items, t)
		}},
		tokenCreate(c),
		&cobra.Command{Use: "revoke ID", Short: "Make a token useless", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return c.Call(cmd.Context(), "DELETE", "/api/v1/tokens/"+args[0], nil, nil)
		}},
	)
	return token
}

func tokenCreate(c *user) *cobra.Command {
	var t api.Token
	var life time.Duration
	cmd := &cobra.Command{Use: "create USER", Short: "Create a token and print it, once", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		t.User, t.Namespace = args[0], c.Namespace
		if life > 0 {
			e := time.Now().Add(life)
			t.Expires = &e
		}
		var made api.Token
		if err := c.Call(cmd.Context(), "POST", "/api/v1/tokens", &t, &made); err != nil {
			return err
		}
		if c.output == "json" || c.output == "yaml" {
			return c.print(cmd.OutOrStdout(), made, table{})
		}
		fmt.Fprintln(cmd.OutOrStdout(), made.Secret)
		return nil
	}}
	cmd.Flags().StringVar(&t.Role, "role", "slipway-developer", "ClusterRole that the token gets in the namespace")
	life = 90 * 24 * time.Hour
	cmd.Flags().Var(span{&life}, "expires", "how long it works; 0: for ever")
	return cmd
}

func loginLinkVerb(c *user) *cobra.Command {
	return &cobra.Command{Use: "login-link", Short: "Print a link that logs a browser in, once", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var link struct{ Path string }
		if err := c.Call(cmd.Context(), "POST", "/api/v1/login-links", nil, &link); err != nil {
			return err
		}
		link.Path = c.Server + link.Path
		if c.output == "json" || c.output == "yaml" {
			return c.print(cmd.OutOrStdout(), map[string]string{"url": link.Path}, table{})
		}
		fmt.Fprintln(cmd.OutOrStdout(), link.Path)
		return nil
	}}
}
