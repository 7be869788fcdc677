package metrics

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"

	"slipway.dev/observability/selectors"
)

// scraping is a Metrics that runs, with jobs of users.
func scraping(t *testing.T, o Options, confined, open map[string]string) *Metrics {
	t.Helper()
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(noCluster), 0o600); err != nil {
		t.Fatal(err)
	}
	judged := o.MaxSeries == 0 // where series are counted, the targets are on loopback
	o.Targets = Targets{Interval: cmp.Or(o.Targets.Interval, time.Second), Kubeconfig: kubeconfig, Server: "127.0.0.1:1", TokenFile: kubeconfig, Machines: []string{"10.43.0.1"}}
	ctx, cancel := context.WithCancel(context.Background())
	m, err := Open(ctx, filepath.Join(dir, "tsdb"), o, nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	if !judged {
		m.judge = func(string) error { return nil }
	}
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	parsed := func(jobs map[string]string) (out []*config.ScrapeConfig) {
		for name, address := range jobs {
			c, err := m.ParseScrape(fmt.Appendf(nil, "{job_name: %q, static_configs: [{targets: [%q], labels: {namespace: shop}}], fallback_scrape_protocol: PrometheusText0.0.4, follow_redirects: false, sample_limit: %d, label_limit: %d, label_value_length_limit: %d, label_name_length_limit: %d, body_size_limit: %s}",
				name, address, SampleLimit, LabelLimit, LabelValueLimit, LabelNameLimit, BodyLimit))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, c)
		}
		return out
	}
	if err := m.UseScrapes(parsed(confined), parsed(open)); err != nil {
		t.Fatal(err)
	}
	return m
}

// health of a job's target, once it was asked.
func health(t *testing.T, m *Metrics, job string) (scrape.TargetHealth, string) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		for _, target := range union(m.scrapers(), (*scrape.Manager).TargetsActive)[job] {
			if target.Health() != scrape.HealthUnknown {
				return target.Health(), fmt.Sprint(target.LastError())
			}
		}
	}
	t.Fatalf("job %s was never scraped", job)
	return "", ""
}

// TestHostileTargets: whatever a target answers, memory is bounded, nothing of it is
// stored, and the targets' page names the limit. A good target beside them is scraped.
func TestHostileTargets(t *testing.T) {
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
		return s.Listener.Addr().String()
	}
	zeros := strings.NewReplacer("\x00", "# a comment that says nothing at all, again and again and again\n").Replace(strings.Repeat("\x00", 4096))
	var bomb bytes.Buffer // made once: what answers should not be busier than what reads
	z := gzip.NewWriter(&bomb)
	for range 64 << 20 / len(zeros) {
		_, _ = io.WriteString(z, zeros)
	}
	_ = z.Close()
	gone := make(chan struct{})
	defer close(gone)
	garbage, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer garbage.Close()
	go func() {
		for {
			c, err := garbage.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("\x00\xff\x17SSH-2.0 nonsense\r\n\r\n"))
			_ = c.Close()
		}
	}()
	long := func(n int) string { return strings.Repeat("x", n) }
	cases := map[string]struct {
		address, want string
	}{
		"a gigabyte": {serve(func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 30 / len(zeros) {
				if _, err := io.WriteString(w, zeros); err != nil {
					return
				}
			}
		}), "body size limit exceeded"},
		"a gzip bomb": {serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}), "body size limit exceeded"},
		"never": {serve(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-gone:
			}
		}), "deadline exceeded"},
		"garbage on the port": {garbage.Addr().String(), "malformed HTTP"},
		"garbage in the body": {serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x01\x02\x00 {{{ 5 5 5\n")) }), "expected"},
		"garbage in protobuf": {serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
			_, _ = w.Write([]byte("\xff\xff\xff\xff\x7f\x01"))
		}), "insufficient length"},
		"garbage that is gzip": {serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("no"))
		}), "EOF"},
		"too many series": {serve(func(w http.ResponseWriter, _ *http.Request) {
			for i := range SampleLimit + 1 {
				fmt.Fprintf(w, "hostile{n=\"%d\"} 1\n", i)
			}
		}), "sample limit exceeded"},
		"too many labels": {serve(func(w http.ResponseWriter, _ *http.Request) {
			var b strings.Builder
			for i := range LabelLimit + 1 {
				fmt.Fprintf(&b, "l%d=\"1\",", i)
			}
			fmt.Fprintf(w, "hostile{%s} 1\n", b.String())
		}), "label_limit exceeded"},
		"a long value": {serve(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "hostile{l=%q} 1\n", long(LabelValueLimit+1))
		}), "label_value_length_limit exceeded"},
		"a long name": {serve(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "hostile{%s=\"1\"} 1\n", long(LabelNameLimit+1))
		}), "label_name_length_limit exceeded"},
		"a redirect": {serve(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}), "302"},
	}
	jobs := map[string]string{
		// Prometheus' text ends at a NUL: this is an empty answer, of which nothing is stored.
		"nothing": serve(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("\x00hostile 1\nhostile{a=\"b\"} 2\n"))
		}),
		"good": serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "good 1") }),
	}
	for name, c := range cases {
		jobs[name] = c.address
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	// A busy machine may not have read up to a limit when the time for a target is over, and
	// says that it is. The next try may.
	m := scraping(t, Options{Targets: Targets{Interval: 4 * time.Second}}, nil, jobs) // open: they are on loopback
	for name, c := range cases {
		var h scrape.TargetHealth
		var why string
		for end := time.Now().Add(3 * time.Minute); !strings.Contains(why, c.want) && time.Now().Before(end); <-time.After(20 * time.Millisecond) {
			h, why = health(t, m, name)
		}
		if h != scrape.HealthBad || !strings.Contains(why, c.want) {
			t.Errorf("%s: %s %q, want %q", name, h, why, c.want)
		}
	}
	for _, name := range []string{"good", "nothing"} {
		if h, why := health(t, m, name); h != scrape.HealthGood {
			t.Errorf("%s: %s", name, why)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 300<<20 {
		t.Errorf("%d MiB more in use", grown>>20)
	}
	if w := ask(m, "*", "GET", `/api/v1/series?match[]={__name__=~"hostile.*"}`, nil); !strings.Contains(w.Body.String(), `"data":[]`) {
		t.Errorf("hostile series are stored: %.500s", w.Body)
	}
	refused := m.Refusals()
	for _, name := range []string{"a gigabyte", "a gzip bomb", "too many series", "too many labels", "a long value", "a long name"} {
		for end := time.Now().Add(3 * time.Minute); !strings.Contains(refused[name], cases[name].want) && time.Now().Before(end); <-time.After(20 * time.Millisecond) {
			refused = m.Refusals()
		}
		if !strings.Contains(refused[name], cases[name].want) {
			t.Errorf("refusal of %s: %q", name, refused[name])
		}
	}
	if refused["good"] != "" || refused["never"] != "" {
		t.Errorf("refused: %v", refused)
	}
}

// TestSeriesOfANamespaceAreLimited: a target whose labels change with each scrape is never
// over the limit of one, and what is rolled back stays in memory too, until the head is
// truncated. Its namespace's budget ends both, by name; others and what exists go on.
func TestSeriesOfANamespaceAreLimited(t *testing.T) {
	const most = 500
	n := 0
	churn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			n++
			fmt.Fprintf(w, "churn{n=\"%d\"} 1\n", n)
		}
	}))
	defer churn.Close()
	m := scraping(t, Options{MaxSeries: most}, map[string]string{"churning": churn.Listener.Addr().String()}, nil)
	full := func() bool {
		return strings.Contains(m.Refusals()["churning"], "series limit exceeded: namespace shop has 500")
	}
	for end := time.Now().Add(3 * time.Minute); !full(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never full: %d series, %v", m.census.count("shop"), m.Refusals())
		}
	}
	if got := m.census.count("shop"); got != most {
		t.Errorf("%d series, want %d", got, most)
	}
	put := func(ls labels.Labels, at int64) error {
		a := m.within().AppenderV2(t.Context())
		_, err := a.Append(0, ls, 0, at, 1, nil, nil, storage.AppendV2Options{})
		return errors.Join(err, a.Commit())
	}
	now := time.Now().UnixMilli()
	for _, c := range []struct {
		ls   labels.Labels
		want string
	}{
		{labels.FromStrings("__name__", "churn", "namespace", "shop", selectors.OriginLabel, "shop", "job", "churning", "instance", churn.Listener.Addr().String(), "n", "1"), ""}, // exists
		{labels.FromStrings("__name__", "new", "namespace", "shop"), "series limit exceeded: namespace shop"},
		{labels.FromStrings("__name__", "new", "namespace", "bank"), ""},
	} {
		if err := put(c.ls, now+1000); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.ls, err, c.want)
		}
	}
	// The cluster's own figures about the namespace are not the user's doing.
	a := m.store.AppenderV2(t.Context())
	if _, err := a.Append(0, labels.FromStrings("__name__", "kube_pod_info", "namespace", "shop"), 0, now, 1, nil, nil, storage.AppendV2Options{}); err != nil {
		t.Error(err)
	}
	if err := a.Commit(); err != nil {
		t.Error(err)
	}
	if err := m.db.Head().Truncate(now + 3600_000); err != nil {
		t.Fatal(err)
	}
	if got := m.census.count("shop"); got > most/2 {
		t.Errorf("after the head was truncated %d are counted, of %d in memory", got, m.db.Head().NumSeries())
	}
}

// TestMachinesAreNotDialled: names are judged by what they mean when they are dialled.
func TestMachinesAreNotDialled(t *testing.T) {
	asked := make(chan string, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.Host:
		default:
		}
		fmt.Fprintln(w, "good 1")
	}))
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// A name that the resolver says is loopback, which is all that rebinding does.
	confined := map[string]string{
		"name": "localhost:" + port, "the API server": "10.43.0.1:443", "loopback": "127.0.0.2:" + port, "metadata": "169.254.169.254:80", "unspecified": "0.0.0.0:" + port,
	}
	m := scraping(t, Options{}, confined, map[string]string{"lifted": s.Listener.Addr().String()})
	for name := range confined {
		if h, why := health(t, m, name); h != scrape.HealthBad || !strings.Contains(why, "is an address of a machine") {
			t.Errorf("%s: %s %q", name, h, why)
		}
	}
	if h, why := health(t, m, "lifted"); h != scrape.HealthGood {
		t.Errorf("lifted: %s", why)
	}
	for len(asked) > 0 {
		if host := <-asked; host != s.Listener.Addr().String() {
			t.Errorf("%s was asked", host)
		}
	}
	if err := m.mayDial("10.42.0.7:80"); err != nil {
		t.Errorf("an address of nobody here: %v", err)
	}
	m.UseMachines([]netip.Addr{netip.MustParseAddr("10.42.7.1"), netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("fd00::1")})
	for _, address := range []string{"10.42.7.1:9100", "192.0.2.7:6443", "[::ffff:192.0.2.7]:6443", "[fd00::1]:80"} {
		if err := m.mayDial(address); !errors.Is(err, ErrMachine) {
			t.Errorf("%s of another node: %v", address, err)
		}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		ip, _, err := net.ParseCIDR(a.String())
		if err := errors.Join(err, m.mayDial(net.JoinHostPort(ip.String(), "10250"))); err == nil {
			t.Errorf("%s of this machine may be dialled", ip)
		}
	}
}
