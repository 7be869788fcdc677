package dashboard

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Metric is one that an application's pods expose. Type is Prometheus': counter, gauge,
// histogram, summary; another or none is told by the name.
type Metric struct{ Name, Type string }

// Matcher selects the series that an application exposes itself.
func Matcher(namespace, application string) string {
	return fmt.Sprintf(`{namespace=%q,application=%q,__name__!~"slipway_.*|namespace_.*|ALERTS.*|kube_.*|container_.*|up|scrape_.*"}`, namespace, application)
}

// mostPanels of one dashboard: beyond that nobody looks, and a browser suffers.
const mostPanels = 40

var (
	plainName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	// runtimes tell about themselves at length.
	runtimes = regexp.MustCompile(`^(go|process|promhttp|python|jvm|nodejs)_|_created$`)
	requests = regexp.MustCompile(`^(http|https|grpc|rpc)(_server)?_?(handled|requests?|request_count)?_total$|^http_server_requests_seconds_count$`)
)

// OfApplication is the dashboard of one application, made from what it exposes: its
// requests where they have conventional names, then every counter as a rate, every
// histogram as quantiles and every gauge as it is, what its pods use, and its lines.
func OfApplication(namespace, application string, exposed []Metric) (Dashboard, error) {
	b := ofApplication(namespace, application, exposed)
	d, err := b.build()
	if err != nil {
		return Dashboard{}, fmt.Errorf("dashboard of application %s: %w", application, err)
	}
	text, err := json.MarshalIndent(d, "", "  ")
	return Dashboard{b.name, b.title, b.about, tags, text}, err
}

// NameOfApplication is the dashboard of one application without its JSON.
func NameOfApplication(namespace, application string) Dashboard {
	sum := sha256.Sum256([]byte(namespace + "/" + application)) // a UID of Grafana has 40 characters at most
	return Dashboard{
		Name: fmt.Sprintf("app-%x", sum[:8]), Title: "Application / " + namespace + " / " + application,
		About: "Made from what the application exposes, with its releases marked.", Tags: tags,
	}
}

func ofApplication(namespace, application string, exposed []Metric) board {
	app := fmt.Sprintf(`namespace=%q,application=%q`, namespace, application)
	pods := fmt.Sprintf(`* on (namespace, pod) group_left () namespace_pod:slipway_application:info{%s}`, app)
	in := fmt.Sprintf(`namespace=%q`, namespace)
	d := NameOfApplication(namespace, application)
	b := board{name: d.Name, title: d.Title, about: d.About, logs: true, marks: app}
	if own := own(app, exposed); len(own) > 0 {
		b.rows = append(b.rows, row{"What it tells", own})
	}
	b.rows = append(b.rows,
		row{"What it uses", []panel{
			one(lines, "Processors", "short", `namespace_application:container_cpu_usage_seconds:rate5m{`+app+`}`, "used"),
			one(lines, "Memory", "bytes", `namespace_application:container_memory_working_set_bytes:sum{`+app+`}`, "used"),
			one(lines, "Restarts", "short", `sum by (pod) (sum by (namespace, pod) (increase(kube_pod_container_status_restarts_total{`+in+`}[5m])) `+pods+`)`, "{{pod}}"),
			{kind: lines, title: "Network", unit: "Bps", queries: []query{
				{`sum(sum by (namespace, pod) (rate(container_network_receive_bytes_total{` + in + `}[$__rate_interval])) ` + pods + `)`, "in"},
				{`sum(sum by (namespace, pod) (rate(container_network_transmit_bytes_total{` + in + `}[$__rate_interval])) ` + pods + `)`, "out"},
			}},
		}},
		row{"What it prints", []panel{one(printed, "Newest lines", "", fmt.Sprintf(`namespace:%q AND application:%q AND (${search:raw})`, namespace, application), "")}},
	)
	return b
}

// own panels, those of requests first, then by name.
func own(app string, exposed []Metric) []panel {
	exposed = slices.Clone(exposed)
	slices.SortFunc(exposed, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	names := map[string]bool{}
	for _, m := range exposed {
		names[m.Name] = true
	}
	var first, rest []panel
	for _, m := range exposed {
		if !plainName.MatchString(m.Name) || runtimes.MatchString(m.Name) {
			continue
		}
		base, bucket := strings.CutSuffix(m.Name, "_bucket")
		of := m.Name + `{` + app
		switch {
		case bucket:
			p := panel{kind: lines, title: base, unit: unitOf(base), queries: []query{
				{`histogram_quantile(0.5, sum by (le) (rate(` + of + `}[$__rate_interval])))`, "median"},
				{`histogram_quantile(0.95, sum by (le) (rate(` + of + `}[$__rate_interval])))`, "95%"},
				{`histogram_quantile(0.99, sum by (le) (rate(` + of + `}[$__rate_interval])))`, "99%"},
			}}
			if strings.HasPrefix(base, "http") || strings.HasPrefix(base, "grpc") {
				first = append(first, p)
			} else {
				rest = append(rest, p)
			}
		case requests.MatchString(m.Name):
			first = append(first,
				one(lines, "Requests: "+m.Name, "reqps", `sum by (code, status) (rate(`+of+`}[$__rate_interval]))`, "{{code}}{{status}}"),
				one(lines, "Failed requests: "+m.Name, "reqps", `sum(rate(`+of+`,code=~"5.."}[$__rate_interval])) or sum(rate(`+of+`,status=~"5.."}[$__rate_interval]))`, "5xx"))
		case part(m.Name, names):
		case m.Type == "counter", m.Type != "gauge" && strings.HasSuffix(m.Name, "_total"):
			rest = append(rest, one(lines, m.Name, "cps", `sum by (pod) (rate(`+of+`}[$__rate_interval]))`, "{{pod}}"))
		case m.Type == "summary":
			rest = append(rest, one(lines, m.Name, unitOf(m.Name), `max by (quantile) (`+of+`})`, "{{quantile}}"))
		default:
			rest = append(rest, one(lines, m.Name, unitOf(m.Name), `sum by (pod) (`+of+`})`, "{{pod}}"))
		}
	}
	all := append(first, rest...)
	for i := range all {
		all[i].exposed = true
	}
	return all[:min(len(all), mostPanels)]
}

// part of a histogram or a summary that has a panel already.
func part(name string, names map[string]bool) bool {
	for _, end := range []string{"_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, end); ok && (names[base+"_bucket"] || names[base] || names[base+"_sum"] && names[base+"_count"]) {
			return true
		}
	}
	return false
}

func unitOf(name string) string {
	switch {
	case strings.HasSuffix(name, "_seconds"):
		return "s"
	case strings.HasSuffix(name, "_bytes"):
		return "bytes"
	case strings.HasSuffix(name, "_ratio"):
		return "percentunit"
	}
	return "short"
}
