package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// logFlags are those of `slipway logs`.
type logFlags struct {
	app, pod, container, run, job, release, commit, language, from string
	since                                                          time.Duration
	limit, context                                                 int
	follow, overview, all                                          bool
}

func logsVerb(c *user) *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use: "logs [QUERY]", Args: cobra.MaximumNArgs(1),
		Short: "Search the log lines of the namespace's pods, also of those that are gone",
		Long: "Search the log lines of the namespace's pods. QUERY is LogsQL: a word, a \"phrase\", field:value;\n" +
			"or, with --language lucene, a query string of Elasticsearch's.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("since") && f.run+f.release+f.commit+f.pod != "" {
				f.since = sinceOfOne
			}
			if c.output == "csv" || c.output == "raw" {
				return f.export(cmd, c, strings.Join(args, " "))
			}
			if f.overview {
				return f.printOverview(cmd, c, strings.Join(args, " "))
			}
			if f.context > 0 {
				return f.printContext(cmd, c, strings.Join(args, " "))
			}
			return f.each(cmd, c, f.values(strings.Join(args, " ")), func(row map[string]string, line string) { c.printLine(cmd, row, line) }, "logs")
		},
	}
	cmd.Annotations = map[string]string{moreOutputs: "csv raw"}
	fs := cmd.Flags()
	fs.StringVar(&f.app, "app", "", "of this application only")
	fs.StringVar(&f.pod, "pod", "", "of this pod only")
	fs.StringVar(&f.container, "container", "", "of this container only")
	fs.StringVar(&f.run, "run", "", "of this run's jobs only")
	fs.StringVar(&f.job, "job", "", "of this job only")
	fs.StringVar(&f.release, "release", "", "of the pods of this release only, such as shop-3")
	fs.StringVar(&f.commit, "commit", "", "of the jobs and pods of this commit only; its whole name")
	fs.StringVar(&f.language, "language", "logsql", "of the query: logsql or lucene")
	fs.StringVar(&f.from, "from", "", "where to read: store, or elasticsearch, which is configured beside it; default: what the server's logs.read says")
	f.since = time.Hour
	fs.Var(span{&f.since}, "since", "how far back; 30 days where a run, release, commit or pod is given")
	fs.IntVar(&f.limit, "limit", 500, "how many lines at the most; the newest")
	fs.IntVarP(&f.context, "context", "C", 0, "print so many lines of its container before and after each as well; of at most 20 lines")
	fs.BoolVar(&f.all, "all", false, "all lines, the oldest first, however many they are; to keep elsewhere")
	fs.BoolVarP(&f.follow, "follow", "f", false, "print new lines as they come")
	fs.BoolVar(&f.overview, "overview", false, "print when the lines were and which values their fields have, instead of the lines")
	for _, other := range []string{"limit", "follow", "context", "overview"} {
		cmd.MarkFlagsMutuallyExclusive("all", other)
	}
	return cmd
}

// values are the parameters of a search.
func (f *logFlags) values(query string) url.Values {
	equals := func(field, v string) string { return fmt.Sprintf("%s:=%q ", field, v) }
	if f.language == "lucene" {
		if query != "" {
			query = "(" + query + ")"
		}
		equals = func(field, v string) string { return fmt.Sprintf("+%s:%q ", field, v) }
	}
	filter := ""
	for _, p := range []struct{ field, v string }{
		{"application", f.app}, {"pod", f.pod}, {"container", f.container}, {"run", f.run}, {"job", f.job}, {"release", f.release}, {"commit", f.commit},
	} {
		if p.v != "" {
			filter += equals(p.field, p.v)
		}
	}
	if filter != "" && query != "" && f.language == "lucene" {
		query = "+" + query
	}
	v := url.Values{
		"query": {filter + query}, "limit": {strconv.Itoa(f.limit)}, "language": {f.language}, "from": {f.from},
		"start": {time.Now().Add(-f.since).Format(time.RFC3339Nano)},
	}
	if f.follow {
		v.Set("follow", "1")
	}
	if f.all {
		v.Set("limit", "all")
	}
	return v
}

// sinceOfOne is how far back is looked for the lines of one run, release, commit or pod,
// which may have been long ago.
const sinceOfOne = 30 * 24 * time.Hour

// export copies the lines as the server writes them in another form.
func (f *logFlags) export(cmd *cobra.Command, c *user, query string) error {
	if f.overview || f.context > 0 {
		return usageError{fmt.Errorf("-o %s: of lines only, without --overview and --context", c.output)}
	}
	v := f.values(query)
	v.Set("format", c.output)
	r, err := c.Open(cmd.Context(), "GET", c.Path("logs")+"?"+v.Encode(), nil)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(cmd.OutOrStdout(), r)
	return cutOff(err)
}

// cutOff says of an answer that it is not whole: the server cuts the connection where it
// cannot go on, as an end would look like all lines.
func cutOff(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the answer was cut off before it was whole; ask for a shorter time or less (--since, a query), or look into the server's log")
	}
	return err
}

// each reads rows of a route.
func (f *logFlags) each(cmd *cobra.Command, c *user, v url.Values, do func(row map[string]string, line string), route ...string) error {
	r, err := c.Open(cmd.Context(), "GET", c.Path(route...)+"?"+v.Encode(), nil)
	if err != nil {
		return err
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var row map[string]string
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return err
		}
		do(row, lines.Text())
	}
	return cutOff(lines.Err())
}

func (c *user) printLine(cmd *cobra.Command, row map[string]string, line string) {
	if c.output == "json" {
		fmt.Fprintln(cmd.OutOrStdout(), line)
		return
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s/%s %s\n", row["_time"], row["pod"], row["container"], shown(row["_msg"]))
}

// escapes of a terminal: colours, which stay, and others.
var escapes = regexp.MustCompile("\x1b\\[[0-9;:]*m|[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u202a-\u202e\u2066-\u2069]")

// shown is a line that does no more to a terminal than to colour it: a pod prints what it
// likes, also what would rename the window, fill the clipboard or hide what stands before.
// Whoever wants the line as it was has -o raw.
func shown(line string) string {
	coloured := false
	line = escapes.ReplaceAllStringFunc(line, func(s string) string {
		if len(s) > 2 && s[0] == 0x1b {
			coloured = true
			return s
		}
		return fmt.Sprintf("\\x%02x", []rune(s)[0])
	})
	if coloured {
		line += "\x1b[0m"
	}
	return line
}

// maxContexts is of how many lines the context is printed.
const maxContexts = 20

func (f *logFlags) printContext(cmd *cobra.Command, c *user, query string) error {
	f.limit = min(f.limit, maxContexts)
	var found []map[string]string
	if err := f.each(cmd, c, f.values(query), func(row map[string]string, _ string) { found = append(found, row) }, "logs"); err != nil {
		return err
	}
	for i, row := range found {
		if i > 0 && c.output != "json" {
			fmt.Fprintln(cmd.OutOrStdout(), "--")
		}
		n := strconv.Itoa(f.context)
		v := url.Values{"pod": {row["pod"]}, "container": {row["container"]}, "at": {row["_time"]}, "before": {n}, "after": {n}, "from": {f.from}}
		if err := f.each(cmd, c, v, func(row map[string]string, line string) { c.printLine(cmd, row, line) }, "logs", "context"); err != nil {
			return err
		}
	}
	return nil
}

func (f *logFlags) printOverview(cmd *cobra.Command, c *user, query string) error {
	var o struct {
		Buckets []struct {
			Time  time.Time
			Count int
		}
		Facets []struct {
			Field  string
			Values []struct {
				Value string
				Count int
			}
		}
	}
	v := f.values(query)
	if err := c.Call(cmd.Context(), "GET", c.Path("logs", "overview")+"?"+v.Encode(), nil, &o); err != nil {
		return err
	}
	most := 1
	for _, b := range o.Buckets {
		most = max(most, b.Count)
	}
	t := table{header: []string{"TIME", "LINES", ""}}
	for _, b := range o.Buckets {
		t.add(b.Time.Format(time.RFC3339), strconv.Itoa(b.Count), strings.Repeat("#", (b.Count*40+most-1)/most))
	}
	if err := c.print(cmd.OutOrStdout(), o, t); err != nil || c.output == "json" || c.output == "yaml" {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout())
	t = table{header: []string{"FIELD", "VALUE", "LINES"}}
	for _, f := range o.Facets {
		for _, v := range f.Values {
			t.add(f.Field, strconv.Quote(v.Value), strconv.Itoa(v.Count))
		}
	}
	return c.print(cmd.OutOrStdout(), o, t)
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
