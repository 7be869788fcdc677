package bench

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// tamper changes an object of the first application behind the server's back. Each round
// changes another field: what comes back again and again is a fight, and is left alone
// for a while.
func (f *fleet) tamper(ctx context.Context, round int) (key string, err error) {
	key = fmt.Sprintf("k%d", round)
	body := fmt.Appendf(nil, `{"data": {%q: "drifted %d"}}`, key, time.Now().UnixNano())
	_, err = f.kube.Resource(configMaps).Namespace("default").Patch(ctx, f.names[0], types.MergePatchType, body, metav1.PatchOptions{FieldManager: "bench"})
	return key, err
}

// healed is how long until what somebody changed is as it was, where it is put right.
func (b *bench) healed(ctx context.Context, f *fleet, round int, what string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	name := f.names[0]
	w, err := f.kube.Resource(configMaps).Namespace("default").Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return err
	}
	defer w.Stop()
	began := time.Now()
	key, err := f.tamper(ctx, round)
	if err != nil {
		return err
	}
	drifted := false
	for event := range w.ResultChan() {
		o, ok := event.Object.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		if value, _, _ := unstructured.NestedString(o.Object, "data", key); value != "a" {
			drifted = true
		} else if drifted {
			b.report.add("drift with "+what+" present, changed to put right", "s", time.Since(began).Seconds())
			return nil
		}
	}
	return fmt.Errorf("drift of %s was not put right: %w", name, context.Cause(ctx))
}

// seen is how long until the application says so, where drift is only reported. It is put
// right again, and from then on, at the end.
func (b *bench) seen(ctx context.Context, f *fleet, round int, what string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := f.patch(ctx, map[string]any{"syncOptions": map[string]any{"drift": "report"}}); err != nil {
		return err
	}
	synced := func(s state) bool { return s.sync == "Synced" && s.observed >= s.generation }
	if err := f.until(ctx, b, "drift is reported", f.names, synced); err != nil {
		return err
	}
	began := time.Now()
	if _, err := f.tamper(ctx, round); err != nil {
		return err
	}
	if err := f.until(ctx, b, "drift is seen", f.names, func(s state) bool { return s.sync == "OutOfSync" }); err != nil {
		return err
	}
	b.report.add("drift with "+what+" present, changed to reported", "s", time.Since(began).Seconds())
	if err := f.patch(ctx, map[string]any{"syncOptions": nil, "resync": fmt.Sprint("seen ", what, round)}); err != nil {
		return err
	}
	return f.until(ctx, b, "drift is put right", f.names, synced)
}
