package boards

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/cluster/text"
	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/dashboard/stored"
)

// ConfigMaps stores the dashboards of ConfigMaps that have dashboard.Label, as charts bring
// them, and says by an event what is wrong with them.
type ConfigMaps struct {
	// Reader reads uncached: only the metadata of ConfigMaps is kept.
	Reader client.Reader
	Store  *stored.Store
	Events events.EventRecorder
	Log    *slog.Logger
	// Changed is told when there are other dashboards than before.
	Changed func()
}

// SetupWithManager watches ConfigMaps, and looks at those that were there before.
func (f *ConfigMaps) SetupWithManager(m ctrl.Manager) error {
	before := source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		for _, o := range f.Store.ConfigMaps() {
			q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.Namespace, Name: o.ConfigMap}})
		}
		return nil
	})
	return ctrl.NewControllerManagedBy(m).Named("dashboard-configmaps").
		For(&corev1.ConfigMap{}, builder.OnlyMetadata, builder.WithPredicates(marked())).
		WatchesRawSource(before).Complete(f)
}

// marked are those that have the label, or had it.
func marked() predicate.Predicate {
	p := predicate.NewPredicateFuncs(func(o client.Object) bool { return on(o) })
	p.UpdateFunc = func(e event.UpdateEvent) bool { return on(e.ObjectOld) || on(e.ObjectNew) }
	return p
}

func on(o client.Object) bool { return dashboard.Marked(o.GetLabels()[dashboard.Label]) }

// Reconcile one ConfigMap.
func (f *ConfigMaps) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	owner := stored.Owner{Namespace: req.Namespace, ConfigMap: req.Name}
	var cm corev1.ConfigMap
	err := f.Reader.Get(ctx, req.NamespacedName, &cm)
	if apierrors.IsNotFound(err) || err == nil && (cm.DeletionTimestamp != nil || !on(&cm)) {
		changed, err := f.Store.Forget(owner)
		if changed {
			f.Changed()
		}
		return ctrl.Result{}, err
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	before := f.Store.State(owner)
	if !f.Store.Settled(owner, cm.ResourceVersion) {
		changed, err := f.Store.Put(owner, cm.ResourceVersion, filesOf(&cm))
		if err != nil {
			return ctrl.Result{}, err
		}
		if changed {
			f.Log.Info("dashboards of a ConfigMap changed", "namespace", cm.Namespace, "configmap", cm.Name)
			f.Changed()
		}
	}
	state, result := f.Store.State(owner), ctrl.Result{}
	if words := inWords(state.Problems); words != "" && words != inWords(before.Problems) {
		f.Events.Eventf(&cm, nil, corev1.EventTypeWarning, "BadDashboard", "ReadDashboards", "%s", text.Mark(words, 900))
	}
	if state.Waits {
		result.RequeueAfter = freeUID
	}
	return result, nil
}

// filesOf a ConfigMap are its keys *.json.
func filesOf(cm *corev1.ConfigMap) (files []dashboard.File) {
	for _, key := range slices.Sorted(maps.Keys(cm.Data)) {
		if strings.HasSuffix(key, ".json") {
			files = append(files, dashboard.File{Path: "configmap/" + cm.Name, Key: key, Data: []byte(cm.Data[key])})
		}
	}
	return files
}
