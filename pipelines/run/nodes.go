package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// placed says which jobs of a plan no node can take: none has all the labels that they
// ask for.
func (d *Detector) placed(ctx context.Context, p *plan.Plan) ([]v1alpha1.Problem, error) {
	if d.Nodes == nil || !slices.ContainsFunc(p.Jobs, func(j plan.Job) bool { return len(j.Nodes) > 0 }) {
		return nil, nil
	}
	nodes, err := d.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("nodes: %w", err)
	}
	var out []v1alpha1.Problem
	for i := range p.Jobs {
		j := &p.Jobs[i]
		if why := unplaced(j.Nodes, nodes); why != "" {
			out = append(out, v1alpha1.Problem{
				File: p.Source, Rule: "no-node", Message: fmt.Sprintf("job %q: %s", j.Name, why),
				Hint: "label a node: slipway kubectl label node NAME " + strings.Join(assigned(j.Nodes), " "),
			})
		}
	}
	return out, nil
}

// unplaced says why none of the nodes, by their labels, has all that are wanted.
func unplaced(wanted []string, nodes map[string]map[string]string) string {
	var missing []string
	for _, text := range wanted {
		l, err := plan.ParseLabel(text)
		if err != nil {
			return err.Error()
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(nodes)), l.Fits) {
			missing = append(missing, text)
		}
	}
	if len(missing) > 0 {
		return fmt.Sprintf("no node has the label %s", strings.Join(missing, ", nor "))
	}
	for _, labels := range nodes {
		fits := true
		for _, text := range wanted {
			l, _ := plan.ParseLabel(text) // it was read above
			fits = fits && l.Fits(labels)
		}
		if fits {
			return ""
		}
	}
	if len(wanted) == 0 {
		return ""
	}
	return fmt.Sprintf("no node has all of the labels %s", strings.Join(wanted, ", "))
}

// assigned are labels as kubectl takes them.
func assigned(labels []string) []string {
	out := slices.Clone(labels)
	for i, l := range out {
		if !strings.Contains(l, "=") {
			out[i] = l + "=yes"
		}
	}
	return out
}
