package monitors

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// manner is how targets are asked, of what objects of all kinds have.
type manner struct {
	class     *string
	protocols []monitoring.ScrapeProtocol
	fallback  *monitoring.ScrapeProtocol
	native    monitoring.NativeHistogramConfig
	dropped   *int64
}

// mostDropped targets are kept to be shown.
const mostDropped = 100

func (t *Translator) manner(m manner, j job) {
	if m.class != nil && *m.class != "" {
		t.note("scrapeClass %q is not applied, as there are no scrape classes here; write what it has into the object", *m.class)
	}
	if len(m.protocols) > 0 {
		j["scrape_protocols"] = m.protocols
	}
	if m.fallback != nil {
		j["fallback_scrape_protocol"] = *m.fallback
	}
	if m.dropped != nil && *m.dropped > 0 {
		j["keep_dropped_targets"] = min(*m.dropped, mostDropped)
	}
	set := func(key string, on *bool) {
		if on != nil {
			j[key] = *on
		}
	}
	set("scrape_native_histograms", m.native.ScrapeNativeHistograms)
	set("always_scrape_classic_histograms", m.native.ScrapeClassicHistograms)
	set("convert_classic_histograms_to_nhcb", m.native.ConvertClassicHistogramsToNHCB)
	if n := m.native.NativeHistogramBucketLimit; n != nil {
		j["native_histogram_bucket_limit"] = *n
	}
	if f := m.native.NativeHistogramMinBucketFactor; f != nil {
		j["native_histogram_min_bucket_factor"] = f.AsApproximateFloat64()
	}
}

// stamps are of the samples of an endpoint.
func stamps(honor, stale *bool, j job) {
	if honor != nil {
		j["honor_timestamps"] = *honor
	}
	if stale != nil {
		j["track_timestamps_staleness"] = *stale
	}
}

// attach adds labels of the node to those that steps may read. A confined object is not told
// about machines.
func (t *Translator) attach(s Source, a *monitoring.AttachMetadata, j job) {
	if a == nil || a.Node == nil || !*a.Node {
		return
	}
	if s.Confined {
		t.note("attachMetadata.node is not applied: labels of nodes are not told to objects of a namespace")
		return
	}
	for _, d := range j["kubernetes_sd_configs"].([]any) {
		d.(job)["attach_metadata"] = job{"node": true}
	}
}

// note remembers something that is not done.
func (t *Translator) note(format string, args ...any) {
	if t.noted == nil {
		t.noted = map[string]bool{}
	}
	t.noted[fmt.Sprintf(format, args...)] = true
}

// notes are what was noted since the last call.
func (t *Translator) notes() string {
	all := strings.Join(slices.Sorted(maps.Keys(t.noted)), "; ")
	t.noted = nil
	return all
}
