package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	nodes = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
)

// config of the administrator, without a limit of its own.
func (in *instance) config() (*rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", filepath.Join(in.dir, "pki", "admin.kubeconfig"))
	if err != nil {
		return nil, err
	}
	cfg.QPS = -1
	return cfg, nil
}

func (in *instance) kube() (dynamic.Interface, error) {
	cfg, err := in.config()
	if err != nil {
		return nil, err
	}
	return dynamic.NewForConfig(cfg)
}

// condition is the status of one condition of an object: "True", "False", "Unknown" or "".
func condition(o *unstructured.Unstructured, kind string) string {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, item := range list {
		if c, ok := item.(map[string]any); ok && c["type"] == kind {
			status, _ := c["status"].(string)
			return status
		}
	}
	return ""
}

// nodeReady returns when every node is Ready, and there is one.
func (in *instance) nodeReady(ctx context.Context) error {
	kube, err := in.kube()
	if err != nil {
		return err
	}
	return until(ctx, time.Minute, func() error {
		list, err := kube.Resource(nodes).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(list.Items) == 0 {
			return errors.New("no node is registered")
		}
		for _, n := range list.Items {
			if condition(&n, "Ready") != "True" {
				return fmt.Errorf("node %s is not Ready", n.GetName())
			}
		}
		return nil
	})
}

// tekton creates a TaskRun or PipelineRun and returns how long until it succeeded, and of a
// PipelineRun also until each of its TaskRuns did, in that order. Its own times have whole
// seconds, so the clock here is taken.
func (in *instance) tekton(ctx context.Context, kind string, spec map[string]any) (took time.Duration, ends []time.Duration, err error) {
	kube, err := in.kube()
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	resource := func(kind string) dynamic.ResourceInterface {
		return kube.Resource(schema.GroupVersionResource{Group: "tekton.dev", Version: "v1", Resource: strings.ToLower(kind) + "s"}).Namespace(in.client.Namespace)
	}
	began := time.Now()
	made, err := resource(kind).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "tekton.dev/v1", "kind": kind, "metadata": map[string]any{"generateName": "bench-"}, "spec": spec,
	}}, metav1.CreateOptions{})
	if err != nil {
		return 0, nil, err
	}
	own, err := resource(kind).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + made.GetName(), ResourceVersion: made.GetResourceVersion()})
	if err != nil {
		return 0, nil, err
	}
	defer own.Stop()
	tasks, err := resource("TaskRun").Watch(ctx, metav1.ListOptions{LabelSelector: "tekton.dev/pipelineRun=" + made.GetName(), ResourceVersion: made.GetResourceVersion()})
	if err != nil {
		return 0, nil, err
	}
	defer tasks.Stop()
	seen := map[string]bool{}
	for {
		var event watch.Event
		open, whole := false, false
		select {
		case event, open = <-own.ResultChan():
			whole = true
		case event, open = <-tasks.ResultChan():
		}
		if !open {
			return 0, nil, fmt.Errorf("%s %s did not end within 5 minutes", kind, made.GetName())
		}
		o, ok := event.Object.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		switch status := condition(o, "Succeeded"); {
		case status == "False":
			return 0, nil, fmt.Errorf("%s %s failed: %v", o.GetKind(), o.GetName(), o.Object["status"])
		case status != "True":
		case whole:
			return time.Since(began), ends, nil
		case !seen[o.GetName()]:
			seen[o.GetName()] = true
			ends = append(ends, time.Since(began))
		}
	}
}

// until asks ok every 100 ms until it says nil, and at last returns what it said.
func until(ctx context.Context, within time.Duration, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", within, err)
		}
	}
}
