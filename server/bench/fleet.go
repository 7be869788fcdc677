package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

var (
	applications = schema.GroupVersionResource{Group: "slipway.dev", Version: "v1alpha1", Resource: "applications"}
	configMaps   = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// fleetFiles are one application: what Flux measures itself with, four objects with a
// Deployment scaled to zero, put together by Kustomize.
var fleetFiles = map[string]string{
	"kustomization.yaml": "resources: [deployment.yaml, service.yaml, account.yaml, config.yaml]\n",
	"deployment.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: 0
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}, annotations: {version: "%[2]s"}}
    spec:
      serviceAccountName: %[1]s
      containers: [{name: web, image: busybox, envFrom: [{configMapRef: {name: %[1]s}}], ports: [{containerPort: 8080}], resources: {requests: {cpu: 10m, memory: 16Mi}}}]
`,
	"service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: %[1]s}\nspec: {selector: {app: %[1]s}, ports: [{port: 80, targetPort: 8080}]}\n",
	"account.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: %[1]s}\nautomountServiceAccountToken: false\n",
	"config.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %[1]s}\ndata: {version: \"%[2]s\", k0: a, k1: a, k2: a, k3: a, k4: a}\n",
}

// fleet is a repository with a directory for each of its applications.
type fleet struct {
	*tree
	apps dynamic.ResourceInterface
	kube dynamic.Interface
	// names of the applications, and their last releases as far as they are known.
	names []string
	last  map[string]int64
	round int
}

func newFleet(ctx context.Context, in *instance, name string) (*fleet, error) {
	t, err := newTree(ctx, in, name, "")
	if err != nil {
		return nil, err
	}
	kube, err := in.kube()
	if err != nil {
		return nil, err
	}
	return &fleet{tree: t, kube: kube, apps: kube.Resource(applications).Namespace("default"), last: map[string]int64{}}, nil
}

// write a new version of some of the applications and commit it.
func (f *fleet) write(ctx context.Context, names []string) (commit string, err error) {
	f.round++
	for _, name := range names {
		dir := filepath.Join(f.dir, "apps", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		for file, text := range fleetFiles {
			if file != "kustomization.yaml" {
				text = fmt.Sprintf(text+"# %[2]s\n", name, fmt.Sprint(f.round))
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				return "", err
			}
		}
	}
	return f.commit(ctx, "round", fmt.Sprint(f.round))
}

// grow to n applications, whose directories are pushed first, and return when the last
// of them was asked for.
func (f *fleet) grow(ctx context.Context, n int) error {
	from := len(f.names)
	for i := from; i < n; i++ {
		f.names = append(f.names, fmt.Sprintf("%s-%05d", f.name, i))
	}
	if _, err := f.write(ctx, f.names[from:]); err != nil {
		return err
	}
	return f.push(ctx)
}

// create the applications from the one with this index on.
func (f *fleet) create(ctx context.Context, from int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, name := range f.names[from:] {
		g.Go(func() error {
			_, err := f.apps.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "slipway.dev/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": name},
				"spec": map[string]any{"sync": "push", "source": map[string]any{"repository": f.name, "path": "apps/" + name}},
			}}, metav1.CreateOptions{})
			return err
		})
	}
	return g.Wait()
}

// patch the spec of all applications.
func (f *fleet) patch(ctx context.Context, spec map[string]any) error {
	body, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, name := range f.names {
		g.Go(func() error {
			_, err := f.apps.Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
			return err
		})
	}
	return g.Wait()
}

// state of an application, of what is looked at here.
type state struct {
	name                     string
	current, healthy, last   int64
	generation, observed     int64 // observed of the condition Applied
	sync, health, resynced   string
	desired, same, complaint string
}

func stateOf(o *unstructured.Unstructured) state {
	text := func(fields ...string) string { s, _, _ := unstructured.NestedString(o.Object, fields...); return s }
	number := func(field string) int64 { n, _, _ := unstructured.NestedInt64(o.Object, "status", field); return n }
	observed := int64(0)
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, item := range conditions {
		if c, ok := item.(map[string]any); ok && c["type"] == "Applied" {
			observed, _ = c["observedGeneration"].(int64)
		}
	}
	return state{
		name: o.GetName(), generation: o.GetGeneration(), observed: observed, current: number("current"), healthy: number("healthy"), last: number("last"),
		sync: text("status", "sync"), health: text("status", "health"), resynced: text("status", "resynced"),
		desired: text("spec", "desired", "commit"), same: text("status", "unchanged", "commit"), complaint: text("status", "message"),
	}
}

// released says whether an application is healthy with a release later than before.
func (f *fleet) released(s state) bool {
	return s.last > f.last[s.name] && s.healthy == s.last && s.current == s.last && s.sync == "Synced" && s.health == "Healthy"
}

// until every one of the named applications is as wanted; a line is printed now and then.
func (f *fleet) until(ctx context.Context, b *bench, what string, names []string, wanted func(state) bool) error {
	limit := time.Minute + time.Duration(len(names))*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s: not within %s", what, limit))
	defer cancel()
	is := map[string]bool{}
	for _, name := range names {
		is[name] = false
	}
	left := len(is)
	var behind state
	see := func(o *unstructured.Unstructured) {
		s := stateOf(o)
		if before, ours := is[s.name]; ours {
			now := wanted(s)
			switch {
			case now && !before:
				left--
			case !now && before:
				left++
			}
			if is[s.name] = now; !now {
				behind = s
			}
		}
	}
	next := time.Now().Add(10 * time.Second)
	for {
		err := f.each(ctx, func(o *unstructured.Unstructured) bool {
			see(o)
			if time.Now().After(next) {
				b.say("   %s: %d of %d", what, len(is)-left, len(is))
				next = time.Now().Add(10 * time.Second)
			}
			return left == 0
		})
		if err != nil {
			return errors.Join(err, context.Cause(ctx), fmt.Errorf("%s: %d of %d; one that is not: %+v", what, len(is)-left, len(is), behind))
		}
		if left == 0 {
			return nil
		}
	}
}

// each looks at all applications, and then at each change until enough or the watch ends.
func (f *fleet) each(ctx context.Context, enough func(*unstructured.Unstructured) bool) error {
	list, err := f.apps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	done := false
	for i := range list.Items {
		done = enough(&list.Items[i])
	}
	if done {
		return nil
	}
	w, err := f.apps.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		return err
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		if o, ok := event.Object.(*unstructured.Unstructured); ok && enough(o) {
			return nil
		}
	}
	return ctx.Err()
}

// note the releases that there are, before more come.
func (f *fleet) note(ctx context.Context) error {
	list, err := f.apps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		s := stateOf(&list.Items[i])
		f.last[s.name] = s.last
	}
	return nil
}
