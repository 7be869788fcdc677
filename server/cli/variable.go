package cli

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"slipway.dev/pipelines/variables"
)

func variableVerb(c *user) *cobra.Command {
	v := &cobra.Command{Use: "variable", Aliases: []string{"variables", "var"}, Short: "CI variables and secrets of repositories"}
	v.AddCommand(variableSet(c), variableList(c), variableDelete(c))
	return v
}

func variableSet(c *user) *cobra.Command {
	var v variables.Variable
	cmd := &cobra.Command{
		Use: "set NAME", Args: cobra.ExactArgs(1),
		Short: "Set a variable to what standard input holds, or to what you type",
		Example: `  printf %s "$TOKEN" | slipway variable set DEPLOY_TOKEN --repo shop --protected
  slipway variable set KUBECONFIG --file --env 'production*' < kubeconfig`,
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := readSecret(cmd, args[0], v.File)
			if err != nil {
				return err
			}
			if strings.Contains(value, "$") && !v.Raw && !v.File {
				fmt.Fprintln(cmd.ErrOrStderr(), "the value has a $, which refers to other variables; --raw keeps it as it is")
			}
			return c.Call(cmd.Context(), "POST", c.Path("variables"), map[string]any{
				"name": args[0], "value": value, "repository": v.Repository, "environment": v.Environment, "branch": v.Branch,
				"protected": v.Protected, "visible": v.Visible, "raw": v.Raw, "file": v.File,
			}, nil)
		},
	}
	cmd.Flags().StringVar(&v.Repository, "repo", "", "of this repository (default every repository of the namespace)")
	cmd.Flags().StringVar(&v.Environment, "env", "", "only for jobs of environments that fit, such as 'review/*'")
	cmd.Flags().StringVar(&v.Branch, "branch", "", "only for runs of branches and tags that fit, such as 'release/*'")
	cmd.Flags().BoolVar(&v.Protected, "protected", false, "only for runs of protected branches and tags")
	cmd.Flags().BoolVar(&v.Visible, "visible", false, "do not mask the value in logs")
	cmd.Flags().BoolVar(&v.Raw, "raw", false, "do not expand $NAME within the value")
	cmd.Flags().BoolVar(&v.File, "file", false, "jobs get the name of a file that holds the value")
	return cmd
}

// readSecret from the terminal, unseen, or from standard input. It never comes from the
// command line, which others can read. One newline at its end is dropped, as from echo.
func readSecret(cmd *cobra.Command, name string, file bool) (string, error) {
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(cmd.ErrOrStderr(), "Value of %s: ", name)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		return string(b), err
	}
	b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), variables.MaxValue+2))
	if err != nil {
		return "", err
	}
	if len(b) == 0 {
		return "", errors.New("standard input is empty; pipe the value in")
	}
	if file {
		return string(b), nil
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

func variableList(c *user) *cobra.Command {
	repository := ""
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List variables; values are never shown", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var l struct{ Items []variables.Variable }
		if err := c.Call(cmd.Context(), "GET", c.Path("variables")+"?repository="+url.QueryEscape(repository), nil, &l); err != nil {
			return err
		}
		t := table{header: []string{"NAME", "REPOSITORY", "ENVIRONMENT", "BRANCH", "FLAGS", "SET", "BY"}}
		for _, v := range l.Items {
			t.add(v.Name, orStar(v.Repository), orStar(v.Environment), orStar(v.Branch), flagsOf(v), v.At.Local().Format(time.DateTime), v.By)
		}
		return c.print(cmd.OutOrStdout(), l.Items, t)
	}}
	cmd.Flags().StringVar(&repository, "repo", "", "those that this repository's jobs may get")
	return cmd
}

func orStar(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

func flagsOf(v variables.Variable) string {
	flags := []string{"masked"}
	if v.Visible {
		flags[0] = "visible"
	}
	if v.Protected {
		flags = append(flags, "protected")
	}
	if v.Raw {
		flags = append(flags, "raw")
	}
	if v.File {
		flags = append(flags, "file")
	}
	return strings.Join(flags, ",")
}

func variableDelete(c *user) *cobra.Command {
	var repository, environment, branch string
	cmd := &cobra.Command{Use: "delete NAME", Aliases: []string{"rm"}, Short: "Delete a variable", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		q := url.Values{"repository": {repository}, "environment": {environment}, "branch": {branch}}
		return c.Call(cmd.Context(), "DELETE", c.Path("variables", args[0])+"?"+q.Encode(), nil, nil)
	}}
	cmd.Flags().StringVar(&repository, "repo", "", "of this repository (default the one of the namespace)")
	cmd.Flags().StringVar(&environment, "env", "", "the one of this environment scope")
	cmd.Flags().StringVar(&branch, "branch", "", "the one of this branch scope")
	return cmd
}
