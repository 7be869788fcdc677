package monitors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Group of the kinds.
const Group = "monitoring.coreos.com"

// LabelScope on a namespace, with the value ScopeCluster, lets its objects reach all.
const (
	LabelScope   = "slipway.dev/metrics"
	ScopeCluster = "cluster"
)

var (
	kinds = map[string]string{"servicemonitors": "ServiceMonitor", "podmonitors": "PodMonitor", "probes": "Probe", "prometheusrules": "PrometheusRule"}
	// again is when Secrets and Services that objects name are read anew, and soon where an
	// object is not used, as one of them may only be missing yet.
	again = 5 * time.Minute
	soon  = 30 * time.Second
	// repeat is how often it is said again what is not used: events are forgotten in an hour.
	repeat = 45 * time.Minute
	// settle is how long changes are gathered.
	settle = time.Second
	// look is how often it is asked which targets were refused.
	look = 15 * time.Second
)

// Prometheus is what takes jobs and rules; metrics.Metrics is one.
type Prometheus interface {
	ParseScrape(text []byte) (*config.ScrapeConfig, error)
	// UseScrapes takes those that are confined to their namespace, and those that are not.
	UseScrapes(confined, open []*config.ScrapeConfig) error
	// Refusals are targets of which nothing is stored, and why, by their job.
	Refusals() map[string]string
	UseRules(map[string]*rulefmt.RuleGroups) error
	// UseMachines takes the addresses that no target of a confined job may have.
	UseMachines([]netip.Addr)
}

// Watcher keeps the objects of the cluster and Prometheus in step.
type Watcher struct {
	Config     *rest.Config
	Kubeconfig string
	Prometheus Prometheus
	Log        *slog.Logger

	translator Translator
	stores     map[string]cache.Store
	namespaces cache.Store
	nodes      cache.Store
	servers    cache.Store       // the slices of the API server's service
	said       map[Source]said   // what was refused or left out, and why
	made       map[string]Source // jobs, and what they are of
	limited    map[Source]bool   // whose targets were refused
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	objects, err := dynamic.NewForConfig(w.Config)
	if err != nil {
		return fmt.Errorf("monitors: %w", err)
	}
	client, err := kubernetes.NewForConfig(w.Config)
	if err != nil {
		return fmt.Errorf("monitors: %w", err)
	}
	w.translator = Translator{Client: client, Kubeconfig: w.Kubeconfig}
	w.stores, w.said = map[string]cache.Store{}, map[Source]said{}
	changed := make(chan struct{}, 1)
	handler := telling(changed)
	factory := dynamicinformer.NewDynamicSharedInformerFactory(objects, 0)
	servers := dynamicinformer.NewFilteredDynamicSharedInformerFactory(objects, 0, metav1.NamespaceDefault, func(o *metav1.ListOptions) {
		o.LabelSelector = discoveryv1.LabelServiceName + "=kubernetes"
	})
	follow := func(i cache.SharedIndexInformer, transform cache.TransformFunc, h cache.ResourceEventHandler) (cache.Store, error) {
		if err := i.SetTransform(transform); err != nil {
			return nil, err
		}
		_, err := i.AddEventHandler(h)
		return i.GetStore(), err
	}
	watch := func(gvr schema.GroupVersionResource) (cache.Store, error) {
		return follow(factory.ForResource(gvr).Informer(), stripped, handler)
	}
	for resource := range kinds {
		if w.stores[resource], err = watch(schema.GroupVersionResource{Group: Group, Version: "v1", Resource: resource}); err != nil {
			return fmt.Errorf("monitors: %w", err)
		}
	}
	if w.namespaces, err = watch(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}); err != nil {
		return fmt.Errorf("monitors: %w", err)
	}
	moved := make(chan struct{}, 1)
	handler = telling(moved)
	if w.nodes, err = follow(factory.ForResource(nodesOf).Informer(), addressed, handler); err != nil {
		return fmt.Errorf("monitors: %w", err)
	}
	if w.servers, err = follow(servers.ForResource(serversOf).Informer(), stripped, handler); err != nil {
		return fmt.Errorf("monitors: %w", err)
	}
	for _, f := range []dynamicinformer.DynamicSharedInformerFactory{factory, servers} {
		f.Start(ctx.Done())
		defer f.Shutdown()
		f.WaitForCacheSync(ctx.Done())
	}
	w.Prometheus.UseMachines(w.machines()) // before any target is dialled
	tick, looks := time.NewTicker(soon), time.NewTicker(look)
	defer tick.Stop()
	defer looks.Stop()
	any, last := false, time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if !w.due(any, last) {
				continue
			}
		case <-looks.C:
			w.look(ctx, client)
			continue
		case <-moved:
			w.Prometheus.UseMachines(w.machines())
			continue
		case <-changed:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settle):
		}
		confined, open, rules := w.all(ctx, client)
		last = time.Now()
		if now := len(confined)+len(open)+len(rules) > 0; now || any {
			any = now
			if err := errors.Join(w.Prometheus.UseScrapes(confined, open), w.Prometheus.UseRules(rules)); err != nil {
				w.Log.Error("monitors", "err", err)
			}
		}
	}
}

// telling pokes a channel at each change.
func telling(changed chan<- struct{}) cache.ResourceEventHandler {
	poke := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: func(any) { poke() }, UpdateFunc: func(any, any) { poke() }, DeleteFunc: func(any) { poke() }}
}

// stripped leaves out who wrote which field, which is most of a small object.
func stripped(o any) (any, error) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		u.SetManagedFields(nil)
	}
	return o, nil
}

// said is an event that an object has.
type said struct {
	reason, why string
	at          time.Time
}

// due says whether everything is translated again although no object changed.
func (w *Watcher) due(any bool, last time.Time) bool {
	for _, s := range w.said {
		if s.reason == notUsed {
			return true
		}
	}
	return (any || len(w.said) > 0) && time.Since(last) > again
}

// Reasons of events.
const (
	notUsed    = "NotUsed"
	partlyUsed = "PartlyUsed"
)

// all translates everything there is; what is refused is said and left out.
func (w *Watcher) all(ctx context.Context, client kubernetes.Interface) (confined, open []*config.ScrapeConfig, rules map[string]*rulefmt.RuleGroups) {
	rules = map[string]*rulefmt.RuleGroups{}
	now := map[Source]said{}
	w.made = map[string]Source{}
	for resource, kind := range kinds {
		keys := w.stores[resource].ListKeys()
		slices.Sort(keys)
		for _, key := range keys {
			o, ok, err := w.stores[resource].GetByKey(key)
			u, _ := o.(*unstructured.Unstructured)
			if err != nil || !ok || u == nil {
				continue
			}
			s := Source{Kind: kind, Namespace: u.GetNamespace(), Name: u.GetName(), Confined: w.confined(u.GetNamespace())}
			made, groups, err := w.translate(ctx, s, u)
			say := said{reason: partlyUsed, why: w.translator.notes()}
			if err != nil {
				say = said{reason: notUsed, why: err.Error()}
			}
			if say.why != "" {
				before := w.said[s]
				if say.at = before.at; before.reason != say.reason || before.why != say.why || time.Since(before.at) > repeat {
					w.refuse(ctx, client, s, say.reason, say.why)
					say.at = time.Now()
				}
				now[s] = say
			}
			if err != nil {
				continue
			}
			if s.Confined {
				confined = append(confined, made...)
			} else {
				open = append(open, made...)
			}
			for _, j := range made {
				w.made[j.JobName] = s
			}
			if groups != nil {
				rules[s.Namespace+"/"+s.Name] = groups
			}
		}
	}
	w.said = now
	return confined, open, rules
}

// look says of which objects a target is over a limit or out of reach, once while that lasts.
func (w *Watcher) look(ctx context.Context, client kubernetes.Interface) {
	now := map[Source]bool{}
	for job, why := range w.Prometheus.Refusals() {
		s, ok := w.made[job]
		if !ok {
			continue
		}
		if !w.limited[s] && !now[s] {
			w.refuse(ctx, client, s, "TargetRefused", why)
		}
		now[s] = true
	}
	w.limited = now
}

func (w *Watcher) confined(namespace string) bool {
	o, ok, err := w.namespaces.GetByKey(namespace)
	u, _ := o.(*unstructured.Unstructured)
	return err != nil || !ok || u == nil || u.GetLabels()[LabelScope] != ScopeCluster
}

func (w *Watcher) translate(ctx context.Context, s Source, u *unstructured.Unstructured) (out []*config.ScrapeConfig, _ *rulefmt.RuleGroups, err error) {
	var jobs []job
	from := func(into any) error { return runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into) }
	switch s.Kind {
	case "ServiceMonitor":
		var m monitoring.ServiceMonitor
		if err = from(&m); err == nil {
			jobs, err = w.translator.Service(ctx, s, &m.Spec)
		}
	case "PodMonitor":
		var m monitoring.PodMonitor
		if err = from(&m); err == nil {
			jobs, err = w.translator.Pod(ctx, s, &m.Spec)
		}
	case "Probe":
		var m monitoring.Probe
		if err = from(&m); err == nil {
			jobs, err = w.translator.Probe(ctx, s, &m.Spec)
		}
	case "PrometheusRule":
		var m monitoring.PrometheusRule
		if err = from(&m); err != nil {
			return nil, nil, err
		}
		groups, err := Rules(s, &m.Spec, parser.NewParser(parser.Options{}), w.Log)
		return nil, groups, err
	}
	if err != nil {
		return nil, nil, err
	}
	for _, j := range jobs {
		c, err := Scrape(w.Prometheus, j)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, c)
	}
	return out, nil, nil
}

// Scrape has Prometheus read a job, which checks it.
func Scrape(p Prometheus, j job) (*config.ScrapeConfig, error) {
	text, err := yaml.MarshalWithOptions(j, yaml.Flow(true), yaml.JSON())
	if err != nil {
		return nil, err
	}
	return p.ParseScrape(text)
}

// refuse says why an object is not used, or a target of it, where its owner looks.
func (w *Watcher) refuse(ctx context.Context, client kubernetes.Interface, s Source, reason, why string) {
	w.Log.Warn("not used", "object", s.String(), "reason", reason, "err", why)
	resource := strings.ToLower(s.Kind) + "s"
	o, ok, err := w.stores[resource].GetByKey(s.Namespace + "/" + s.Name)
	u, _ := o.(*unstructured.Unstructured)
	if err != nil || !ok || u == nil {
		return // gone meanwhile
	}
	now := metav1.Now()
	if len(why) > 1000 {
		why = strings.ToValidUTF8(why[:1000], "")
	}
	_, err = client.CoreV1().Events(s.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: s.Namespace, GenerateName: s.Name + "."},
		InvolvedObject: corev1.ObjectReference{APIVersion: u.GetAPIVersion(), Kind: s.Kind, Namespace: s.Namespace, Name: s.Name, UID: u.GetUID()},
		Type:           corev1.EventTypeWarning, Reason: reason, Message: why, Source: corev1.EventSource{Component: "slipway-observe"},
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}, metav1.CreateOptions{})
	if err != nil {
		w.Log.Debug("event", "object", s.String(), "err", err)
	}
}
