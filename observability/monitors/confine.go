package monitors

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/util/strutil"

	"slipway.dev/observability/metrics"
	"slipway.dev/observability/selectors"
)

func sanitized(label string) string { return strutil.SanitizeLabelName(label) }

func quoted(text string) string { return regexp.QuoteMeta(text) }

// mayTarget are the hidden labels that a confined object may write: what is asked of a
// target, but not which target it is, nor how often.
var mayTarget = regexp.MustCompile(`^(__metrics_path__|__param_[a-zA-Z0-9_]+|__tmp_[a-zA-Z0-9_]+|[a-zA-Z][a-zA-Z0-9_]*)$`)

// relabelings are an object's own steps. A confined one must not send the scraper to an
// address of its choice (threat 5), which a step could do that writes the label __address__.
func relabelings(s Source, given []monitoring.RelabelConfig, hidden bool) ([]relabel, error) {
	out := make([]relabel, 0, len(given))
	for i, g := range given {
		action := strings.ToLower(g.Action)
		if s.Confined && hidden {
			switch action {
			case "labelmap":
				// Its labels come from names of others: only those that begin as a plain label does.
				if g.Replacement == nil || !regexp.MustCompile(`^[a-zA-Z]`).MatchString(*g.Replacement) {
					return nil, fmt.Errorf("relabelings[%d]: labelmap needs a replacement that begins with a letter, such as pod_$1", i)
				}
			case "", "replace", "hashmod", "lowercase", "uppercase":
				if !mayTarget.MatchString(g.TargetLabel) {
					return nil, fmt.Errorf("relabelings[%d]: label %q must not be written", i, g.TargetLabel)
				}
			}
		}
		r := relabel{}
		if action != "" {
			r["action"] = action
		}
		if len(g.SourceLabels) > 0 {
			r["source_labels"] = g.SourceLabels
		}
		if g.Separator != nil {
			r["separator"] = *g.Separator
		}
		if g.TargetLabel != "" {
			r["target_label"] = g.TargetLabel
		}
		if g.Regex != "" {
			r["regex"] = g.Regex
		}
		if g.Modulus != 0 {
			r["modulus"] = g.Modulus
		}
		if g.Replacement != nil {
			r["replacement"] = *g.Replacement
		}
		out = append(out, r)
	}
	return out, nil
}

// own says last of all whose the targets are, and their series. Those of an object that is not
// confined are of any namespace, and are still not Slipway's own.
func own(s Source) []relabel {
	from := fixed(selectors.OriginLabel, s.Namespace)
	if !s.Confined {
		return []relabel{from}
	}
	return []relabel{fixed(metrics.NamespaceLabel, s.Namespace), from}
}

// fastest is how often a confined object may have its targets scraped.
const fastest = 5 * time.Second

// timing puts interval and timeout into a job.
func timing(s Source, interval, timeout monitoring.Duration, j job) error {
	every := time.Duration(0)
	if interval != "" {
		d, err := model.ParseDuration(string(interval))
		if err != nil {
			return fmt.Errorf("interval: %w", err)
		}
		if every = time.Duration(d); s.Confined && every < fastest {
			return fmt.Errorf("interval %s: at least %s", interval, fastest)
		}
		j["scrape_interval"] = string(interval)
		j["scrape_timeout"] = model.Duration(min(every, 10*time.Second)).String()
	}
	if timeout != "" {
		d, err := model.ParseDuration(string(timeout))
		if err != nil {
			return fmt.Errorf("scrapeTimeout: %w", err)
		}
		if s.Confined && time.Duration(d) > 30*time.Second {
			return fmt.Errorf("scrapeTimeout %s: at most 30s", timeout)
		}
		j["scrape_timeout"] = string(timeout)
	}
	return nil
}
