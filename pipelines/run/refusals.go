package run

import (
	"context"
	"strings"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"slipway.dev/cluster/api/v1alpha1"
)

// refusals ends attempts whose images were refused as soon as the kubelet says so in an
// event. The pod's status says it up to ten seconds later, when it is looked at again.
type refusals struct {
	*Controller
	client client.WithWatch
}

func (c *Controller) watchRefusals(mgr ctrl.Manager) error {
	w, err := client.NewWithWatch(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme()})
	if err != nil {
		return err
	}
	r := refusals{c, w}
	return mgr.Add(manager.RunnableFunc(r.run))
}

// refusalPause is between two watches, of which the server ends each after a while.
const refusalPause = time.Second

// run until ctx ends. What is missed meanwhile the status of the pods still says.
func (r refusals) run(ctx context.Context) error {
	for {
		if err := r.watch(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("events of images cannot be watched", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(refusalPause):
		}
	}
}

var failedPods = client.MatchingFieldsSelector{Selector: fields.SelectorFromSet(fields.Set{"involvedObject.kind": "Pod", "reason": "Failed"})}

func (r refusals) watch(ctx context.Context) error {
	w, err := r.client.Watch(ctx, &corev1.EventList{}, failedPods)
	if err != nil {
		return err
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		event, ok := e.Object.(*corev1.Event)
		if !ok {
			continue
		}
		if image := failedImage(event.Message); image != "" {
			if err := r.refused(ctx, event, image); err != nil && ctx.Err() == nil {
				r.Log.Warn("job waits for an image that was refused", "pod", event.InvolvedObject.Name, "err", err)
			}
		}
	}
	return nil
}

// failedImage is the image in what the kubelet says of a pull that failed.
func failedImage(message string) string {
	rest, ok := strings.CutPrefix(message, `Failed to pull image "`)
	image, _, closed := strings.Cut(rest, `": `)
	if !ok || !closed {
		return ""
	}
	return image
}

func (r refusals) refused(ctx context.Context, event *corev1.Event, image string) error {
	why := refusal(image, &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: event.Message})
	if why == "" {
		return nil
	}
	pod := &corev1.Pod{}
	at := types.NamespacedName{Namespace: event.InvolvedObject.Namespace, Name: event.InvolvedObject.Name}
	if err := r.client.Get(ctx, at, pod); err != nil {
		return client.IgnoreNotFound(err)
	}
	at.Name = pod.Labels[taskRunLabel]
	if at.Name == "" || pod.UID != event.InvolvedObject.UID || pod.Labels[v1alpha1.LabelRun] == "" {
		return nil
	}
	tr := &tekton.TaskRun{}
	if err := r.Get(ctx, at, tr); err != nil {
		return client.IgnoreNotFound(err)
	}
	return r.giveUp(ctx, tr, ofService(tr, image)+why)
}

// taskRunLabel is Tekton's, on its pods.
const taskRunLabel = "tekton.dev/taskRun"

// ofService begins the reason where the image is a service's.
func ofService(tr *tekton.TaskRun, image string) string {
	if tr.Spec.TaskSpec == nil {
		return ""
	}
	for i := range tr.Spec.TaskSpec.Steps {
		if tr.Spec.TaskSpec.Steps[i].Image == image {
			return ""
		}
	}
	return "service: "
}
