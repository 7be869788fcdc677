package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"slipway.dev/observability/logs"
)

// outputFigures are how the outputs of lines are doing, for whichever there are when they
// are asked for.
type outputFigures struct {
	of func() []logs.OutputState
}

func figureOf(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("slipway_logs_output_"+name, help, append([]string{"output"}, labels...), nil)
}

var (
	outputUp      = figureOf("up", "Whether the output takes lines: 0 while lines wait for it.")
	outputWaiting = figureOf("waiting_bytes", "Bytes of lines that wait on disk.")
	outputMax     = figureOf("buffer_bytes", "How many bytes may wait.")
	outputLines   = figureOf("lines_total", "Lines that the output has (sent), that it will not have (refused), and that went as its buffer was full (dropped).", "result")
)

// Describe sends the figures' descriptions.
func (f outputFigures) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{outputUp, outputWaiting, outputMax, outputLines} {
		c <- d
	}
}

// Collect sends the figures.
func (f outputFigures) Collect(c chan<- prometheus.Metric) {
	seen := map[string]int{}
	for _, o := range f.of() {
		// A series is there once: two buffers may be for one address.
		if seen[o.Name]++; seen[o.Name] > 1 {
			o.Name = fmt.Sprintf("%s (%d)", o.Name, seen[o.Name])
		}
		up := 1.0
		if o.Error != "" {
			up = 0
		}
		gauge := func(d *prometheus.Desc, v float64) {
			c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, o.Name)
		}
		gauge(outputUp, up)
		gauge(outputWaiting, float64(o.Bytes))
		gauge(outputMax, float64(o.Max))
		for result, n := range map[string]uint64{"sent": o.Sent, "refused": o.Refused, "dropped": o.Dropped} {
			c <- prometheus.MustNewConstMetric(outputLines, prometheus.CounterValue, float64(n), o.Name, result)
		}
	}
}

func outputs(store *logs.Store) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(store.Outputs()) }
}

// Outputs are how the outputs of lines are doing.
func (c *Client) Outputs(ctx context.Context) ([]logs.OutputState, error) {
	var out []logs.OutputState
	err := c.state(ctx, "/logs/outputs", &out)
	return out, err
}
