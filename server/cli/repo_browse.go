package cli

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"slipway.dev/gitops/git"
)

func repoBrowse(c *user) []*cobra.Command {
	return []*cobra.Command{repoLog(c), repoShow(c), repoCompare(c)}
}

func repoLog(c *user) *cobra.Command {
	q := url.Values{}
	var limit, skip int
	var path string
	cmd := &cobra.Command{
		Use: "log NAME [REVISION]", Args: cobra.RangeArgs(1, 2), Short: "List commits, of a path if asked",
		Example: "  slipway repo log shop\n  slipway repo log shop v1.2 --path deploy --limit 5",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				q.Set("ref", args[1])
			}
			q.Set("path", path)
			q.Set("limit", strconv.Itoa(limit))
			q.Set("skip", strconv.Itoa(skip))
			var page git.Page
			if err := c.Call(cmd.Context(), "GET", c.Path("repositories", args[0], "commits")+"?"+q.Encode(), nil, &page); err != nil {
				return err
			}
			t := table{header: []string{"COMMIT", "AGE", "AUTHOR", "SUBJECT"}}
			for _, x := range page.Items {
				t.add(short(x.Hash), age(x.Time), printable(x.Author), printable(x.Subject))
			}
			if err := c.print(cmd.OutOrStdout(), &page, t); err != nil {
				return err
			}
			if page.More && c.output != "json" && c.output != "yaml" {
				fmt.Fprintf(cmd.ErrOrStderr(), "more: --skip %d\n", skip+len(page.Items))
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many commits, at most 100")
	cmd.Flags().IntVar(&skip, "skip", 0, "leave out this many")
	cmd.Flags().StringVar(&path, "path", "", "only commits that changed this file or directory")
	return cmd
}

func repoShow(c *user) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME [REVISION[:PATH]]", Args: cobra.RangeArgs(1, 2), Short: "Show a commit, a file or a directory",
		Example: "  slipway repo show shop\n  slipway repo show shop 1f0c2d3\n  slipway repo show shop main:deploy/\n  slipway repo show shop main:README.md",
		RunE: func(cmd *cobra.Command, args []string) error {
			revision, path, isPath := "", "", false
			if len(args) == 2 {
				revision, path, isPath = strings.Cut(args[1], ":")
			}
			q := "?" + url.Values{"ref": {revision}, "path": {strings.TrimSuffix(path, "/")}}.Encode()
			base := c.Path("repositories", args[0])
			switch {
			case isPath && (path == "" || strings.HasSuffix(path, "/")):
				return showTree(c, cmd, base+"/tree"+q)
			case isPath:
				return c.Copy(cmd.Context(), cmd.OutOrStdout(), base+"/raw"+q)
			case revision == "":
				var page git.Page
				if err := c.Call(cmd.Context(), "GET", base+"/commits?limit=1", nil, &page); err != nil {
					return err
				}
				if len(page.Items) == 0 {
					return errors.New("there is no commit yet")
				}
				revision = page.Items[0].Hash
			}
			var found struct {
				git.Commit
				Diff git.Diff `json:"diff"`
			}
			if err := c.Call(cmd.Context(), "GET", base+"/commits/"+url.PathEscape(revision), nil, &found); err != nil {
				return err
			}
			if c.output == "json" || c.output == "yaml" {
				return c.print(cmd.OutOrStdout(), &found, table{})
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "commit %s\nAuthor: %s <%s>\nDate:   %s\n\n", found.Hash, printable(found.Author), printable(found.Email), found.Time.Format(time.RFC1123Z))
			for line := range strings.Lines(strings.TrimSpace(found.Message)) {
				fmt.Fprintf(w, "    %s\n", printable(strings.TrimSuffix(line, "\n")))
			}
			fmt.Fprintln(w)
			printDiff(w, found.Diff)
			return nil
		},
	}
}

func showTree(c *user, cmd *cobra.Command, address string) error {
	var tree struct {
		Items []git.Entry `json:"items"`
	}
	if err := c.Call(cmd.Context(), "GET", address, nil, &tree); err != nil {
		return err
	}
	t := table{header: []string{"PATH", "KIND", "SIZE"}}
	for _, x := range tree.Items {
		size := ""
		if x.Kind == "file" || x.Kind == "executable" {
			size = strconv.FormatInt(x.Size, 10)
		}
		t.add(printable(x.Path), x.Kind, size)
	}
	return c.print(cmd.OutOrStdout(), &tree, t)
}

func repoCompare(c *user) *cobra.Command {
	return &cobra.Command{
		Use: "compare NAME FROM TO", Aliases: []string{"diff"}, Args: cobra.ExactArgs(3), Short: "Show what TO has over FROM since they were the same",
		RunE: func(cmd *cobra.Command, args []string) error {
			var found git.Comparison
			q := url.Values{"from": {args[1]}, "to": {args[2]}}
			if err := c.Call(cmd.Context(), "GET", c.Path("repositories", args[0], "compare")+"?"+q.Encode(), nil, &found); err != nil {
				return err
			}
			if c.output == "json" || c.output == "yaml" {
				return c.print(cmd.OutOrStdout(), &found, table{})
			}
			w := cmd.OutOrStdout()
			for _, x := range found.Items {
				fmt.Fprintf(w, "%s %s\n", short(x.Hash), printable(x.Subject))
			}
			fmt.Fprintln(w)
			printDiff(w, found.Diff)
			return nil
		},
	}
}

func printDiff(w io.Writer, d git.Diff) {
	for _, f := range d.Files {
		name := f.Path
		if f.Old != "" {
			name = f.Old + " -> " + f.Path
		}
		fmt.Fprintf(w, "%s %s (+%d -%d)\n", f.Status, printable(name), f.Additions, f.Deletions)
		switch {
		case f.Binary:
			fmt.Fprintln(w, "  binary")
		case f.Large:
			fmt.Fprintln(w, "  too long to show")
		}
		for line := range strings.Lines(f.Patch) {
			fmt.Fprintln(w, printable(strings.TrimSuffix(line, "\n")))
		}
	}
	if d.More {
		fmt.Fprintln(w, "some of it is left out; clone the repository to see all")
	}
}

// printable is text of a repository that does nothing to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
