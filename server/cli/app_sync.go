package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/source"
	"slipway.dev/server/api"
)

func appSync(c *user) *cobra.Command {
	var ask api.SyncAsk
	var prune, dryRun bool
	var w *waiting
	cmd := &cobra.Command{
		Use: "sync NAME", Args: cobra.ExactArgs(1),
		Short: "Apply the desired value again, also one that failed, and put right what others changed",
		Example: `  slipway app sync shop --dry-run
  slipway app sync shop --only Deployment/web --only ConfigMap/settings
  slipway app sync shop --prune --wait`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("prune") {
				ask.Prune = &prune
			}
			if !dryRun {
				if err := c.Call(cmd.Context(), "POST", c.Path("applications", args[0], "sync"), &ask, nil); err != nil {
					return err
				}
				if w.on {
					return c.follow(cmd, w, args[0])
				}
				return c.asked(cmd, args[0])
			}
			q := url.Values{"only": ask.Only}
			if ask.Prune != nil {
				q.Set("prune", strconv.FormatBool(prune))
			}
			return c.Copy(cmd.Context(), cmd.OutOrStdout(), c.Path("applications", args[0], "preview")+"?"+q.Encode())
		},
	}
	w = waitFlags(cmd, false)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would change")
	cmd.Flags().StringArrayVar(&ask.Only, "only", nil, "only this object, as Kind/name; may be repeated. No hooks run")
	cmd.Flags().BoolVar(&prune, "prune", true, "delete what left the set, also what waits for this word; false keeps it this time (default: as the application says)")
	cmd.MarkFlagsMutuallyExclusive("wait", "dry-run")
	return cmd
}

// appDetails prints what a table has no room for: the step of a rollout, drift,
// conditions and the objects.
func (c *user) appDetails(ctx context.Context, w io.Writer, a *slipway.Application) error {
	if a.Spec.Source.Fixed() {
		now := "nothing is desired yet"
		if a.Spec.Desired != nil {
			now = desiredOf(a) + " is desired"
		}
		fmt.Fprintf(w, "\nFollows %s of repository %s; %s\n", a.Spec.Source.Followed(), a.Spec.Source.Repository, now)
	}
	if err := c.progress(ctx, w, a); err != nil {
		return err
	}
	for _, k := range a.Status.Conditions {
		// Most of them say what stands out; these say that something is there.
		bad := k.Status == "True"
		switch k.Type {
		case source.ConditionSource, source.ConditionInputs:
			bad = k.Status == "False" && k.Message != a.Status.Message
		case slipway.ConditionNeedsMet:
			bad = k.Status == "False" && a.Status.Waiting == nil
		}
		if !bad || k.Type == "Applied" {
			continue
		}
		fmt.Fprintf(w, "\n%s: %s\n", k.Type, k.Message)
	}
	var healed []string
	for _, d := range a.Status.Drift {
		if d.Healed && d.LastSeen != nil {
			what := strings.Join(d.Fields, ", ")
			if d.Missing {
				what = "deletion"
			}
			healed = append(healed, fmt.Sprintf("%s/%s %s (%s ago)", d.Kind, d.Name, what, age(d.LastSeen.Time)))
		}
	}
	if len(healed) > 0 {
		fmt.Fprintf(w, "\nPut right: %s\n", strings.Join(healed, "; "))
	}
	if b := a.Status.WrittenBack; b != nil && b.Message != "" {
		fmt.Fprintf(w, "\nNot written back to Git: %s\n", b.Message)
	}
	if len(a.Status.Inventory) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := table{header: []string{"OBJECT", "HEALTH", "NOTE", "NAMESPACE", "VERSION"}, wide: 2}
	for _, o := range a.Status.Inventory {
		note := o.Message
		switch o.Extra {
		case "kept", "ignored":
			note = "no longer in the set"
		case "confirm":
			note = "no longer in the set; waits for `slipway app sync --prune`"
		}
		t.add(o.Kind+"/"+o.Name, o.Health, note, o.Namespace, strings.TrimPrefix(o.Group+"/"+o.Version, "/"))
	}
	return c.print(w, nil, t)
}

// progress of the newest release, while it is under way or if it failed.
func (c *user) progress(ctx context.Context, w io.Writer, a *slipway.Application) error {
	if a.Status.Last == 0 || (a.Status.Last == a.Status.Healthy && a.Status.Sync != "Failed") {
		return nil
	}
	var l slipway.ReleaseList
	if err := c.Call(ctx, "GET", c.Path("applications", a.Name, "releases"), nil, &l); err != nil {
		return err
	}
	for _, r := range l.Items {
		if r.Spec.Number != a.Status.Last || r.Status.Sync == nil {
			continue
		}
		p := r.Status.Sync
		if r.Status.Result == slipway.ReleaseProgressing {
			fmt.Fprintf(w, "\nRelease %d: phase %s, wave %d\n", r.Spec.Number, p.Phase, p.Wave)
		}
		if len(p.Hooks) > 0 {
			fmt.Fprintln(w)
			t := table{header: []string{"HOOK", "PHASE", "WAVE", "STATE", "MESSAGE"}}
			for _, h := range p.Hooks {
				t.add(h.Kind+"/"+h.Name, h.Phase, strconv.Itoa(int(h.Wave)), h.State, h.Message)
			}
			return c.print(w, nil, t)
		}
	}
	return nil
}
