package observe

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"slipway.dev/observability/logs"
)

func TestOutputFigures(t *testing.T) {
	f := outputFigures{func() []logs.OutputState {
		return []logs.OutputState{{Name: "f", Sent: 7, Dropped: 2, Bytes: 5, Max: 9, Error: "away"}, {Name: "f", Sent: 1}}
	}}
	want := `
# HELP slipway_logs_output_lines_total Lines that the output has (sent), that it will not have (refused), and that went as its buffer was full (dropped).
# TYPE slipway_logs_output_lines_total counter
slipway_logs_output_lines_total{output="f",result="dropped"} 2
slipway_logs_output_lines_total{output="f",result="refused"} 0
slipway_logs_output_lines_total{output="f",result="sent"} 7
slipway_logs_output_lines_total{output="f (2)",result="dropped"} 0
slipway_logs_output_lines_total{output="f (2)",result="refused"} 0
slipway_logs_output_lines_total{output="f (2)",result="sent"} 1
# HELP slipway_logs_output_up Whether the output takes lines: 0 while lines wait for it.
# TYPE slipway_logs_output_up gauge
slipway_logs_output_up{output="f"} 0
slipway_logs_output_up{output="f (2)"} 1
`
	if err := testutil.CollectAndCompare(f, strings.NewReader(want), "slipway_logs_output_lines_total", "slipway_logs_output_up"); err != nil {
		t.Error(err)
	}
}
