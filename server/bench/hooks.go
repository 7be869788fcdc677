package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// manyHooks is of how many applications the hooks run at the same time.
const manyHooks = 100

// hookFile is an application with a hook before it whose real pod takes ten seconds.
const hookFile = `apiVersion: v1
kind: ConfigMap
metadata: {name: %[1]s}
data: {a: b}
---
apiVersion: batch/v1
kind: Job
metadata: {name: %[1]s, annotations: {argocd.argoproj.io/hook: PreSync, argocd.argoproj.io/hook-delete-policy: HookSucceeded}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: m, image: busybox, command: [sleep, "10"], resources: {requests: {cpu: 1m, memory: 1Mi}}}]
`

// hooked releases many applications at once that each wait for a hook, and checks that
// every hook ran once and none of them kept the others waiting.
func (b *bench) hooked(ctx context.Context, in *instance) error {
	f, err := newFleet(ctx, in, "hooked")
	if err != nil {
		return err
	}
	for i := range manyHooks {
		name := fmt.Sprintf("%s-%03d", f.name, i)
		f.names = append(f.names, name)
		dir := filepath.Join(f.dir, "apps", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(fmt.Sprintf(hookFile, name)), 0o644); err != nil {
			return err
		}
	}
	if _, err := f.commit(ctx, "round", "1"); err != nil {
		return err
	}
	if err := f.push(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := f.create(ctx, 0); err != nil {
		return err
	}
	if err := f.until(ctx, b, fmt.Sprintf("%d applications with a hook of 10 s", manyHooks), f.names, f.released); err != nil {
		return err
	}
	b.say("%d applications, each with a hook of 10 s, are healthy after %.1f s", manyHooks, time.Since(began).Seconds())
	for _, name := range f.names {
		var rel slipway.Release
		got, err := f.kube.Resource(slipway.GroupVersion.WithResource("releases")).Namespace("default").Get(ctx, name+"-1", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := convert(got, &rel); err != nil {
			return err
		}
		if p := rel.Status.Sync; p == nil || len(p.Hooks) != 1 || p.Hooks[0].State != slipway.HookSucceeded {
			return fmt.Errorf("release %s: its hooks are %+v", rel.Name, p)
		}
		if err := f.apps.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	return until(ctx, time.Minute, func() error {
		list, err := f.apps.List(ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) > 1 { // the one of the soak test stays
			err = fmt.Errorf("%d applications are still being deleted", len(list.Items)-1)
		}
		return err
	})
}

func convert(from *unstructured.Unstructured, to any) error {
	text, err := from.MarshalJSON()
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}
