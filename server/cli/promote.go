package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// promotionVerbs of applications.
func promotionVerbs(c *user) []*cobra.Command {
	return []*cobra.Command{appPromote(c), appPromotions(c), appApprove(c, "approve", "Approve the promotion that waits for an application"),
		appApprove(c, "reject", "Reject the promotion that waits for an application")}
}

func appPromote(c *user) *cobra.Command {
	var body struct {
		To      string `json:"to"`
		Release int64  `json:"release,omitempty"`
	}
	cmd := &cobra.Command{
		Use: "promote NAME --to NAME", Args: cobra.ExactArgs(1),
		Short:   "Take a healthy release, its commit and its images, to another application",
		Example: "  slipway app promote staging --to production --release 12",
		RunE: func(cmd *cobra.Command, args []string) error {
			var p slipway.Promotion
			if err := c.Call(cmd.Context(), "POST", c.Path("applications", args[0], "promote"), &body, &p); err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout(), &p, promotionTable([]slipway.Promotion{p}))
		},
	}
	cmd.Flags().StringVar(&body.To, "to", "", "the application that it is promoted to (required)")
	cmd.Flags().Int64Var(&body.Release, "release", 0, "the release (default the last healthy one)")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

func appPromotions(c *user) *cobra.Command {
	return &cobra.Command{Use: "promotions [NAME]", Short: "List promotions, of one application or of all", Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		var all, l slipway.PromotionList
		if err := c.Call(cmd.Context(), "GET", c.Path("promotions"), nil, &all); err != nil {
			return err
		}
		for _, p := range all.Items {
			if len(args) == 0 || p.Spec.To == args[0] || p.Spec.From == args[0] {
				l.Items = append(l.Items, p)
			}
		}
		l.TypeMeta = all.TypeMeta
		return c.print(cmd.OutOrStdout(), &l, promotionTable(l.Items))
	}}
}

// appApprove is a verb that decides about the one promotion that waits, or a named one.
func appApprove(c *user, verb, short string) *cobra.Command {
	var promotion string
	cmd := &cobra.Command{Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if promotion == "" {
			var l slipway.PromotionList
			if err := c.Call(cmd.Context(), "GET", c.Path("promotions"), nil, &l); err != nil {
				return err
			}
			for _, p := range l.Items {
				if p.Spec.To != args[0] || p.Status.Phase.Finished() {
					continue
				}
				if promotion != "" {
					return usageError{fmt.Errorf("several promotions wait for %s; name one with --promotion", args[0])}
				}
				promotion = p.Name
			}
			if promotion == "" {
				return fmt.Errorf("no promotion waits for %s", args[0])
			}
		}
		if err := c.Call(cmd.Context(), "POST", c.Path("promotions", promotion, verb), nil, nil); err != nil {
			return err
		}
		c.word(cmd, "promotion %s: you %s it; `slipway app promotions %s` shows what comes of it", promotion, map[string]string{"approve": "approved", "reject": "rejected"}[verb], args[0])
		return nil
	}}
	cmd.Flags().StringVar(&promotion, "promotion", "", "which one, of `slipway app promotions` (default the only one that waits)")
	return cmd
}

func promotionTable(items []slipway.Promotion) table {
	t := table{header: []string{"NAME", "FROM", "RELEASE", "TO", "COMMIT", "PHASE", "BY", "AGE", "APPROVED BY", "MESSAGE"}}
	for _, p := range items {
		var by []string
		for _, a := range p.Status.Approvals {
			by = append(by, a.By)
		}
		commit := ""
		if p.Status.Desired != nil {
			commit = short(p.Status.Desired.Commit)
		}
		phase := string(p.Status.Phase)
		if phase == "" {
			phase = string(slipway.PromotionPending)
		}
		t.add(p.Name, p.Spec.From, fmt.Sprint(p.Spec.Release), p.Spec.To, commit, phase, p.Spec.By, age(p.CreationTimestamp.Time), strings.Join(by, " "), p.Status.Message)
	}
	return t
}
