package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"slipway.dev/observability/dashboard"
)

// observer is the process that has the metric and the log store of an instance.
func observer(in *instance) (pid int, err error) {
	for pid := range processes(in.dir) {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if args := strings.Split(string(line), "\x00"); err == nil && len(args) > 1 && args[1] == "observe" {
			return pid, nil
		}
	}
	return 0, errors.New("no observe child is running")
}

// used is the processor time of a process so far, in seconds.
func used(pid int) float64 { return float64(cpuTicks(map[int]bool{pid: true})[pid]) / ticks }

// observing is what the child costs while nothing happens. What collects lines and what
// answers scrapes is in the server and the kubelet, and not in these figures.
func (b *bench) observing(ctx context.Context, in *instance) error {
	pid, err := observer(in)
	if err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	before, began := used(pid), time.Now()
	if err := pause(ctx, b.IdleFor); err != nil {
		return err
	}
	b.report.add("observing an idle cluster: share of one core", "%", (used(pid)-before)/time.Since(began).Seconds()*100)
	kb, err := proportional(pid)
	b.report.add("observing an idle cluster: memory (proportional set size)", "MiB", float64(kb)/1024)
	if v, vErr := in.scalar(ctx, "sum(scrape_samples_post_metric_relabeling)"); vErr == nil {
		b.report.add("observing an idle cluster: active series", "", v)
	}
	return err
}

// ask sends a request with the administrator's token and reads the answer whole.
func (in *instance) ask(ctx context.Context, method, path, kind string, body []byte) ([]byte, error) {
	token, err := in.client.Token()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, in.client.Server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %.300s", method, r.URL.Path, res.Status, answer)
	}
	return answer, err
}

// scalar is the one value of a query now.
func (in *instance) scalar(ctx context.Context, promql string) (float64, error) {
	text, err := in.ask(ctx, http.MethodGet, "/prometheus/api/v1/query?query="+url.QueryEscape(promql), "", nil)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) != 1 {
		return 0, fmt.Errorf("query %s: %d results", promql, len(answer.Data.Result))
	}
	return strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
}

// ranged asks for a range and says how long the answer took and how many series it has.
func (in *instance) ranged(ctx context.Context, promql string, from, to time.Time, step time.Duration) (took time.Duration, series int, err error) {
	v := url.Values{"query": {promql}, "start": {from.Format(time.RFC3339)}, "end": {to.Format(time.RFC3339)}, "step": {step.String()}}
	began := time.Now()
	text, err := in.ask(ctx, http.MethodGet, "/prometheus/api/v1/query_range?"+v.Encode(), "", nil)
	took = time.Since(began)
	if err != nil {
		return 0, 0, err
	}
	var answer struct {
		Data struct{ Result []json.RawMessage }
	}
	err = json.Unmarshal(text, &answer)
	return took, len(answer.Data.Result), err
}

const (
	boardPanels = 12
	boardRounds = 10
)

// board is what a browser asks for when it opens a dashboard: the queries of its panels,
// all at once, over three hours.
func (b *bench) board(ctx context.Context, in *instance) error {
	d, ok := dashboard.Get("cluster")
	if !ok {
		return errors.New("no dashboard cluster")
	}
	var shown struct {
		Panels []struct {
			Targets []struct{ Expr string }
			Panels  []struct{ Targets []struct{ Expr string } } // of a row
		}
	}
	if err := json.Unmarshal(d.JSON, &shown); err != nil {
		return err
	}
	var queries []string
	for _, p := range shown.Panels {
		for _, t := range p.Targets {
			queries = append(queries, t.Expr)
		}
		for _, inner := range p.Panels {
			for _, t := range inner.Targets {
				queries = append(queries, t.Expr)
			}
		}
	}
	if len(queries) < boardPanels {
		return fmt.Errorf("dashboard cluster has %d queries, want %d", len(queries), boardPanels)
	}
	for range boardRounds {
		to, errs := time.Now(), make([]error, boardPanels)
		var wg sync.WaitGroup
		for i, q := range queries[len(queries)-boardPanels:] {
			wg.Go(func() {
				_, _, errs[i] = in.ranged(ctx, strings.ReplaceAll(q, "$__rate_interval", "2m"), to.Add(-3*time.Hour), to, 15*time.Second)
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		b.report.add(fmt.Sprintf("a dashboard of %d panels, to the last answer", boardPanels), "ms", float64(time.Since(to).Microseconds())/1000)
	}
	return nil
}
