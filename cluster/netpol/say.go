package netpol

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/netpol/rules"
)

// said is what events were written for, so that each is written once.
type said map[types.UID]map[string]bool

// say writes an event for what of a policy can not be enforced.
func (c *Controller) say(policies []*networkingv1.NetworkPolicy, problems []rules.Problem) {
	now := said{}
	for _, p := range problems {
		of := now[p.Policy.UID]
		if of == nil {
			of = map[string]bool{}
			now[p.Policy.UID] = of
		}
		of[p.Message] = true
		if c.said[p.Policy.UID][p.Message] {
			continue
		}
		c.Log.Warn("network policy", "namespace", p.Policy.Namespace, "policy", p.Policy.Name, "problem", p.Message)
		if c.Events != nil {
			c.Events.Eventf(p.Policy, nil, corev1.EventTypeWarning, "NotEnforceable", "Enforce", "%s", p.Message)
		}
	}
	c.said = now
	c.metrics.problems.Set(float64(len(problems)))
}

// metrics of the enforcement.
type metrics struct {
	passes   prometheus.Histogram
	failures prometheus.Counter
	problems prometheus.Gauge
}

func newMetrics(to prometheus.Registerer, state func() State) (*metrics, error) {
	m := &metrics{
		passes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "slipway_networkpolicy_pass_seconds", Help: "How long it took to make the kernel have what the network policies say.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 7),
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "slipway_networkpolicy_failures_total", Help: "Times that network policies could not be put into the kernel.",
		}),
		problems: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "slipway_networkpolicy_problems", Help: "What network policies ask for and can not have.",
		}),
	}
	if to == nil {
		return m, nil
	}
	for _, x := range []prometheus.Collector{m.passes, m.failures, m.problems,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "slipway_networkpolicy_policies", Help: "Network policies that there are.",
		}, func() float64 { return float64(state().Policies) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "slipway_networkpolicy_limited_pods", Help: "Pods of this node that network policies limit.",
		}, func() float64 { return float64(state().Limited) }),
	} {
		if err := to.Register(x); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) passed(took time.Duration, err error) {
	m.passes.Observe(took.Seconds())
	if err != nil {
		m.failures.Inc()
	}
}
