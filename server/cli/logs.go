package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func logsVerb(c *user) *cobra.Command {
	var app, pod, container string
	var since time.Duration
	var limit int
	var follow bool
	cmd := &cobra.Command{
		Use: "logs [QUERY]", Args: cobra.MaximumNArgs(1),
		Short: "Search the log lines of the namespace's pods, also of those that are gone",
		Long:  "Search the log lines of the namespace's pods. QUERY is LogsQL: a word, a \"phrase\", field:value.",
		RunE: func(cmd *cobra.Command, args []string) error {
			query := strings.Join(args, " ")
			if app != "" {
				query = fmt.Sprintf("application:=%q %s", app, query)
			}
			if pod != "" {
				query = fmt.Sprintf("pod:=%q %s", pod, query)
			}
			if container != "" {
				query = fmt.Sprintf("container:=%q %s", container, query)
			}
			v := url.Values{"query": {query}, "limit": {strconv.Itoa(limit)}, "start": {time.Now().Add(-since).Format(time.RFC3339Nano)}}
			if follow {
				v.Set("follow", "1")
			}
			r, err := c.Open(cmd.Context(), "GET", c.Path("logs")+"?"+v.Encode(), nil)
			if err != nil {
				return err
			}
			defer r.Close()
			lines := bufio.NewScanner(r)
			lines.Buffer(nil, 16<<20)
			for lines.Scan() {
				if c.output == "json" {
					fmt.Fprintln(cmd.OutOrStdout(), lines.Text())
					continue
				}
				var row map[string]string
				if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s/%s %s\n", row["_time"], row["pod"], row["container"], row["_msg"])
			}
			return lines.Err()
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "of this application only")
	cmd.Flags().StringVar(&pod, "pod", "", "of this pod only")
	cmd.Flags().StringVar(&container, "container", "", "of containers of this name only")
	cmd.Flags().DurationVar(&since, "since", time.Hour, "how far back")
	cmd.Flags().IntVar(&limit, "limit", 500, "how many lines at the most; the newest")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "print new lines as they come")
	return cmd
}

func queryVerb(c *user) *cobra.Command {
	return &cobra.Command{Use: "query PROMQL", Short: "Ask the metrics, as PromQL", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		var answer struct {
			Data struct {
				ResultType string
				Result     json.RawMessage
			}
		}
		if err := c.Call(cmd.Context(), "GET", "/prometheus/api/v1/query?query="+url.QueryEscape(args[0]), nil, &answer); err != nil {
			return err
		}
		t := table{header: []string{"METRIC", "VALUE"}}
		if answer.Data.ResultType == "vector" {
			var series []struct {
				Metric map[string]string
				Value  [2]any
			}
			if err := json.Unmarshal(answer.Data.Result, &series); err != nil {
				return err
			}
			for _, s := range series {
				m, _ := json.Marshal(s.Metric) // a map of strings
				t.add(string(m), fmt.Sprint(s.Value[1]))
			}
			return c.print(cmd.OutOrStdout(), series, t)
		}
		t.add(answer.Data.ResultType, string(answer.Data.Result))
		return c.print(cmd.OutOrStdout(), answer.Data, t)
	}}
}
