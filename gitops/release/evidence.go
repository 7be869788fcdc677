package release

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

const (
	maxEvents  = 12
	maxLogPods = 3
	logLines   = 20
	maxText    = 4 << 10
	// settleTime is how long a container may wait for an image or its configuration.
	settleTime = 30 * time.Second
	// maxRestarts of a container before waiting longer is hopeless.
	maxRestarts = 3
)

// pods of the application that this release started.
func (r *Reconciler) pods(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) ([]corev1.Pod, error) {
	s, err := r.sight(ctx, app)
	if err != nil {
		return nil, err
	}
	all, err := s.podsOf(ctx, app)
	if err != nil {
		return nil, err
	}
	since := started(rel).Add(-time.Second)
	var out []corev1.Pod
	for _, p := range all {
		if !p.CreationTimestamp.Time.Before(since) && p.DeletionTimestamp == nil {
			out = append(out, p)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// hopeless says why a rollout will not become healthy by waiting, or "". A failing
// readiness probe is not among the reasons: that is what deadlines are for.
func (r *Reconciler) hopeless(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) (string, error) {
	pods, err := r.pods(ctx, app, rel)
	if err != nil {
		return "", err
	}
	for _, p := range pods {
		if reason := doomed(&p, r.now()); reason != "" {
			return reason, nil
		}
	}
	return "", nil
}

func doomed(p *corev1.Pod, now time.Time) string {
	old := now.Sub(p.CreationTimestamp.Time) > settleTime
	for _, s := range append(append([]corev1.ContainerStatus{}, p.Status.InitContainerStatuses...), p.Status.ContainerStatuses...) {
		w := s.State.Waiting
		if w == nil {
			continue
		}
		switch w.Reason {
		case "CrashLoopBackOff":
			if s.RestartCount < maxRestarts {
				continue
			}
			exit := ""
			if t := s.LastTerminationState.Terminated; t != nil {
				exit = fmt.Sprintf(" (exit code %d, %s)", t.ExitCode, t.Reason)
			}
			return fmt.Sprintf("Pod/%s: container %s keeps exiting%s", p.Name, s.Name, exit)
		case "InvalidImageName":
		case "ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			if !old {
				continue
			}
		default:
			continue
		}
		return fmt.Sprintf("Pod/%s: container %s: %s: %s", p.Name, s.Name, w.Reason, w.Message)
	}
	return ""
}

// stuck says what the first container that cannot start lacks, however long it has waited, or "".
func stuck(pods []corev1.Pod) string {
	for _, p := range pods {
		why := doomed(&p, p.CreationTimestamp.Add(2*settleTime))
		if why == "" {
			continue
		}
		for _, c := range append(append([]corev1.Container{}, p.Spec.InitContainers...), p.Spec.Containers...) {
			if strings.HasPrefix(c.Image, v1alpha1.RegistryHost+"/") && !strings.ContainsAny(c.Image, "@:") && strings.Contains(why, c.Image) {
				return why + "; an image without a digest is one that no run told this application of: `sync: pipeline` has the deploy job write it"
			}
		}
		return why
	}
	return ""
}

// evidence gathers what was seen, secrets masked, and a reason that names the
// failing probe where there is one. What cannot be read is left out.
func (r *Reconciler) evidence(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, reason string, refs []v1alpha1.ObjectReference) ([]v1alpha1.Evidence, string) {
	masks, err := r.masksOf(ctx, app)
	if err != nil {
		return []v1alpha1.Evidence{{Kind: "status", Text: "left out: secrets cannot be read to mask it"}}, reason
	}
	var out []v1alpha1.Evidence
	add := func(kind, object, text string) {
		text = strings.ToValidUTF8(masks.hide(text), "�")
		if len(text) > maxText {
			text = strings.ToValidUTF8(text[len(text)-maxText:], "")
		}
		out = append(out, v1alpha1.Evidence{Kind: kind, Object: object, Text: text})
	}
	names := map[string]bool{}
	for _, h := range failedHooks(rel) {
		names[apply.Title(h.ObjectReference)] = true
		add("status", apply.Title(h.ObjectReference), h.State+": "+h.Message)
	}
	for _, ref := range refs {
		names[ref.Kind+"/"+ref.Name] = true
		if ref.Health != "Current" {
			add("status", ref.Kind+"/"+ref.Name, ref.Health+": "+ref.Message)
		}
	}
	pods, err := r.pods(ctx, app, rel)
	if err != nil {
		r.Log.Warn("evidence: pods", "application", app.Name, "error", err)
	}
	// Those of a hook that failed are looked at first.
	slices.SortStableFunc(pods, func(a, b corev1.Pod) int { return cmp.Compare(rankOf(rel, &a), rankOf(rel, &b)) })
	for _, p := range pods {
		names["Pod/"+p.Name] = true
		for _, o := range p.OwnerReferences {
			names[o.Kind+"/"+o.Name] = true
		}
	}
	probe := ""
	for _, e := range r.warnings(ctx, app, names, started(rel)) {
		kind, object := "event", e.InvolvedObject.Kind+"/"+e.InvolvedObject.Name
		text := e.Reason + ": " + e.Message
		if e.Reason == "Unhealthy" {
			kind, text = "probe", e.Message
			if probe == "" || strings.HasPrefix(e.Message, "Readiness") {
				probe = object + ": " + e.Message
			}
		}
		if e.Count > 1 {
			text = fmt.Sprintf("%s (%d times)", text, e.Count)
		}
		add(kind, object, text)
	}
	if probe == "" {
		probe = stuck(pods)
	}
	if probe != "" && !strings.Contains(reason, probe) {
		reason += "; " + masks.hide(probe)
	}
	shown := 0
	for _, p := range pods {
		if ready(&p) || shown == maxLogPods {
			continue
		}
		shown++
		for _, s := range append(append([]corev1.ContainerStatus{}, p.Status.InitContainerStatuses...), p.Status.ContainerStatuses...) {
			if text := r.lastLines(ctx, app, &p, s); text != "" {
				add("log", "Pod/"+p.Name+"/"+s.Name, text)
			}
		}
	}
	for _, d := range r.changed(ctx, app, rel) {
		add("diff", d.Object.Kind+"/"+d.Object.Name, d.Action+"\n"+clipped(d.Diff, maxText/2))
	}
	return out, reason
}

// maxDiffs are the objects whose difference is evidence.
const maxDiffs = 8

// changed says what the release has that the last healthy one has not, as far as the
// sets can be read.
func (r *Reconciler) changed(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) []apply.Change {
	if app.Status.Healthy == 0 || rel.Spec.Rendered == "" {
		return nil
	}
	before, err := r.Store.LastHealthy(ctx, app, app.Status.Healthy)
	if err != nil {
		return nil
	}
	after, err := r.Store.Get(ctx, app.Namespace, app.Name, rel.Spec.Rendered)
	if err != nil {
		return nil
	}
	changes := slices.DeleteFunc(apply.Compare(before.Objects, after.Objects), func(c apply.Change) bool { return c.Action == apply.Unchanged })
	return changes[:min(len(changes), maxDiffs)]
}

// clipped is the head of a text that may be long.
func clipped(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "\n…"
}

func failedHooks(rel *v1alpha1.Release) []v1alpha1.HookStatus {
	if rel.Status.Sync == nil {
		return nil
	}
	var out []v1alpha1.HookStatus
	for _, h := range rel.Status.Sync.Hooks {
		if h.State == v1alpha1.HookFailed || h.State == v1alpha1.HookRunning {
			out = append(out, h)
		}
	}
	return out
}

// rankOf a pod: 0 for one of a hook that failed or hangs.
func rankOf(rel *v1alpha1.Release, p *corev1.Pod) int {
	for _, h := range failedHooks(rel) {
		if h.Kind == "Pod" && h.Name == p.Name {
			return 0
		}
		for _, o := range p.OwnerReferences {
			if o.Kind == h.Kind && o.Name == h.Name {
				return 0
			}
		}
	}
	return 1
}

// warnings about the named objects since the release started, oldest first.
func (r *Reconciler) warnings(ctx context.Context, app *v1alpha1.Application, names map[string]bool, since time.Time) []corev1.Event {
	namespace := destination(app)
	s, err := r.sight(ctx, app)
	if err != nil || s.kube == nil {
		return nil
	}
	list, err := s.kube.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		r.Log.Warn("evidence: events", "namespace", namespace, "error", err)
		return nil
	}
	var out []corev1.Event
	for _, e := range list.Items {
		if e.Type == corev1.EventTypeWarning && names[e.InvolvedObject.Kind+"/"+e.InvolvedObject.Name] && !eventTime(e).Before(since.Add(-time.Second)) {
			out = append(out, e)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return eventTime(out[i]).Before(eventTime(out[j])) })
	if len(out) > maxEvents {
		out = out[len(out)-maxEvents:]
	}
	return out
}

func eventTime(e corev1.Event) time.Time {
	latest := e.CreationTimestamp.Time
	for _, t := range []time.Time{e.EventTime.Time, e.LastTimestamp.Time} {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

// lastLines of a container: of the one before, if it is between two starts.
func (r *Reconciler) lastLines(ctx context.Context, app *v1alpha1.Application, p *corev1.Pod, s corev1.ContainerStatus) string {
	where, err := r.sight(ctx, app)
	if err != nil || where.kube == nil || (s.State.Running == nil && s.State.Terminated == nil && s.RestartCount == 0) {
		return ""
	}
	lines, limit := int64(logLines), int64(maxText*2)
	previous := s.State.Running == nil && s.State.Terminated == nil
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stream, err := where.kube.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{
		Container: s.Name, TailLines: &lines, LimitBytes: &limit, Previous: previous,
	}).Stream(ctx)
	if err != nil {
		r.Log.Info("evidence: log", "pod", p.Name, "container", s.Name, "error", err)
		return ""
	}
	defer stream.Close()
	data, _ := io.ReadAll(io.LimitReader(stream, limit))
	return string(bytes.TrimSpace(data))
}

func ready(p *corev1.Pod) bool {
	if p.Status.Phase == corev1.PodSucceeded {
		return true
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
