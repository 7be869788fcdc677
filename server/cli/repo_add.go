package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/client"
)

func repoAdd(c *user) *cobra.Command {
	var r slipway.Repository
	var forge slipway.Forge
	var timeout time.Duration
	var quiet bool
	cmd := &cobra.Command{
		Use: "add NAME [URL]", Args: cobra.RangeArgs(1, 2),
		Short: "Watch the repository at URL, or host a new one",
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name = args[0]
			if len(args) == 2 {
				r.Spec.URL = args[1]
			}
			if quiet {
				r.Spec.Pushes, r.Spec.MergeRequests = "none", "none"
			}
			if forge != (slipway.Forge{}) {
				if forge.TokenSecret == "" {
					return usageError{errors.New("--forge, --forge-api and --forge-project need --forge-token, the Secret with the token")}
				}
				r.Spec.Forge = &forge
			}
			if err := c.Call(cmd.Context(), "POST", c.Path("repositories"), &r, &r); err != nil {
				return err
			}
			if r.Spec.URL == "" || timeout <= 0 {
				return nil
			}
			return c.firstLook(cmd.Context(), cmd.ErrOrStderr(), r.Name, timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 20*time.Second, "how long to wait for the first look at URL; 0 does not wait")
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
	cmd.Flags().BoolVar(&quiet, "no-runs", false, "pushes and merge requests start no runs; applications follow it all the same")
	cmd.MarkFlagsMutuallyExclusive("no-runs", "merge-requests")
	cmd.Flags().BoolVar(&r.Spec.PublicBadge, "public-badge", false, "show the badge to everybody")
	cmd.Flags().StringVar(&forge.TokenSecret, "forge-token", "", "Secret whose key token may write commit statuses")
	cmd.Flags().StringVar(&forge.Kind, "forge", "", "github, gitlab, gitea or bitbucket (default: by the host of URL)")
	cmd.Flags().StringVar(&forge.API, "forge-api", "", "address of the forge's API (default: by URL)")
	cmd.Flags().StringVar(&forge.Project, "forge-project", "", "owner/name at the forge (default: by URL)")
	return cmd
}

// firstLook waits until a new repository was looked at where it is, and says what came of
// that: whoever mistyped an address, or has the wrong key, is still there.
func (c *user) firstLook(ctx context.Context, w io.Writer, name string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var found slipway.Repository
	err := c.WatchOf(ctx, url.Values{"kind": {"Repository"}, "name": {name}}, func(change client.Change) (bool, error) {
		if change.Kind != "Repository" {
			return false, nil
		}
		if err := json.Unmarshal(change.Object, &found); err != nil {
			return false, err
		}
		return found.Name == name && meta.FindStatusCondition(found.Status.Conditions, "Ready") != nil, nil
	})
	if ctx.Err() != nil {
		fmt.Fprintf(w, "repository %s is added and was not looked at within %s; `slipway repo get %s` shows what came of it\n", name, timeout, name)
		return nil
	}
	if err != nil {
		return err
	}
	if state, message := stateOf(&found); state != "Ready" {
		message = strings.TrimPrefix(message, "repository "+name+": ")
		return fmt.Errorf("repository %s is added, and could not be read: %s. It is tried again by itself, and at once by `slipway repo sync %s`", name, message, name)
	}
	if found.Status.DefaultBranch == "" {
		fmt.Fprintf(w, "repository %s has no branch yet\n", name)
		return nil
	}
	fmt.Fprintf(w, "repository %s: branch %s is at %s\n", name, found.Status.DefaultBranch, short(found.Status.Refs["refs/heads/"+found.Status.DefaultBranch].Commit))
	return nil
}
