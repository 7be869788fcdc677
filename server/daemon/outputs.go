package daemon

import (
	"context"
	"fmt"
	"time"

	"slipway.dev/observability/logs"
	"slipway.dev/observability/metrics"
	"slipway.dev/server/api"
)

// outputStates lists where lines go besides the store: what waits there and why, and what
// never came. Nothing waits for them: the store has the lines.
func outputStates(ctx context.Context, ask func(context.Context) ([]logs.OutputState, error)) []api.Component {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	outputs, err := ask(ctx)
	if err != nil {
		return nil // the child's own line says why
	}
	var all []api.Component
	for _, o := range outputs {
		c := api.Component{Name: "logs to " + o.Name, Ready: o.Error == "", Optional: true}
		if !o.Since.IsZero() {
			c.Since = o.Since.Format(time.RFC3339)
			c.Message = fmt.Sprintf("%s of lines wait, %s may: %.300s; ", mib(o.Bytes), mib(o.Max), o.Error)
		}
		c.Message += fmt.Sprintf("%d lines sent", o.Sent)
		if o.Dropped > 0 {
			c.Message += fmt.Sprintf("; %d lines dropped, as more did not fit into the buffer", o.Dropped)
		}
		if o.Refused > 0 {
			c.Message += fmt.Sprintf("; %d lines refused there", o.Refused)
		}
		all = append(all, c)
	}
	return all
}

// elsewhereState says which Prometheus answers queries in place of the embedded one, and
// whether it does. Nothing waits for it: rules, alerts and autoscaling have their own.
func elsewhereState(ctx context.Context, ask func(context.Context) (*metrics.ElsewhereState, error)) []api.Component {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	e, err := ask(ctx)
	if err != nil || e == nil {
		return nil // the child's own line says why
	}
	c := api.Component{Name: "prometheus", Ready: e.Problem == "" && !e.Asked.IsZero(), Optional: true, Message: "queries are answered by " + e.URL}
	switch {
	case e.Problem != "":
		c.Since = e.Since.Format(time.RFC3339)
		c.Message = fmt.Sprintf("%.300s; charts and queries have no answer until it does, alerts and autoscaling go on by the embedded one", e.Problem)
	case e.Asked.IsZero():
		c.Message = "asking " + e.URL
	}
	return []api.Component{c}
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
