//go:build e2e

package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/cluster/addons"
	"slipway.dev/cluster/api/crds"
	"slipway.dev/cluster/api/v1alpha1"
	kube "slipway.dev/cluster/client"
	"slipway.dev/cluster/controlplane"
	"slipway.dev/cluster/pki"
)

// joined is both who the controller talks to.
type joined struct {
	access  Access
	forward *Forward
	back    int
	health  string
	err     error
}

func (j *joined) Ensure(_ context.Context, a Access) (string, error) {
	j.access = a
	return j.health, j.err
}
func (j *joined) Send(_ context.Context, to Forward) error {
	j.forward = &to
	if to.Back {
		j.back++
	}
	return nil
}
func (j *joined) Stop(context.Context) error { j.forward = nil; return nil }

// TestOnARealControlPlane has the controller work as the server's own identity on a real
// API server, with the real controllers of workloads, and says itself that pods are ready.
func TestOnARealControlPlane(t *testing.T) {
	ctrllog.SetLogger(logr.Discard())
	ctx, dir := t.Context(), t.TempDir()
	files, err := pki.Ensure(dir+"/pki", pki.Options{NodeName: "e2e", NodeIP: net.ParseIP("10.41.0.1"), ServiceIP: net.ParseIP("10.43.0.1")})
	require.NoError(t, err)
	cp, err := controlplane.Start(ctx, controlplane.Config{DataDir: dir, PKI: files, NodeIP: net.ParseIP("10.41.0.1"),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	require.NoError(t, err)
	t.Cleanup(cp.Stop)
	adminConfig, err := kube.Load(files.AdminKubeconfig, "e2e")
	require.NoError(t, err)
	require.NoError(t, crds.Install(ctx, adminConfig))
	admin, err := kube.New(adminConfig)
	require.NoError(t, err)
	require.NoError(t, addons.Install(ctx, admin, addons.Options{DNSImage: "coredns:e2e"}))
	serverConfig, err := kube.Load(files.SlipwayKubeconfig, "server")
	require.NoError(t, err)
	server, err := kube.New(serverConfig)
	require.NoError(t, err)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "e2e", Labels: map[string]string{"kubernetes.io/hostname": "e2e"}}}
	require.NoError(t, admin.Create(ctx, node))
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("50")}
	node.Status = corev1.NodeStatus{Capacity: room, Allocatable: room, Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}
	require.NoError(t, admin.Status().Update(ctx, node))

	world := &joined{health: "green"}
	p := &plane{t: t, admin: admin, controller: &Controller{Client: server, Reader: server, Search: world, Lines: world, Log: slog.New(slog.DiscardHandler)}}
	p.definition()
	p.provisioned(world)
	p.healed()
	p.pruned()
	p.unhappy(world)
	p.removed(world)
}

type plane struct {
	t          *testing.T
	admin      client.WithWatch
	controller *Controller
}

func (p *plane) stack() *v1alpha1.LogStack {
	l := &v1alpha1.LogStack{}
	require.NoError(p.t, p.admin.Get(p.t.Context(), client.ObjectKey{Name: v1alpha1.LogStackName}, l))
	return l
}

func (p *plane) reconcile() {
	p.t.Helper()
	_, err := p.controller.Reconcile(p.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: v1alpha1.LogStackName}})
	require.NoError(p.t, err)
}

// until reconciles, and lets pods be ready, until ok is nil.
func (p *plane) until(what string, ok func() error) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		p.reconcile()
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-p.t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *plane) get(name string, o client.Object) error {
	return p.admin.Get(p.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o)
}

// definition: what the API server itself refuses.
func (p *plane) definition() {
	ctx := p.t.Context()
	l := &v1alpha1.LogStack{ObjectMeta: metav1.ObjectMeta{Name: "other"}, Spec: whole()}
	l.Spec.Elasticsearch.Storage.Size = resource.MustParse("5Gi")
	require.ErrorContains(p.t, p.admin.Create(ctx, l), "called logs")
	l.Name = v1alpha1.LogStackName
	require.NoError(p.t, p.admin.Create(ctx, l))
	for want, change := range map[string]func(*v1alpha1.LogStackSpec){
		"take shards":      func(s *v1alpha1.LogStackSpec) { s.Elasticsearch.Replicas = 1 },
		"do not change":    func(s *v1alpha1.LogStackSpec) { s.Elasticsearch.Storage.Class = "other" },
		"spec.fluentd.ima": func(s *v1alpha1.LogStackSpec) { s.Fluentd.Image = "" },
	} {
		l := p.stack()
		change(&l.Spec)
		require.ErrorContains(p.t, p.admin.Update(ctx, l), want)
	}
}

func (p *plane) provisioned(world *joined) {
	ctx := p.t.Context()
	p.reconcile()
	l := p.stack()
	require.Equal(p.t, v1alpha1.StackProgressing, l.Status.State, l.Status.Message)
	require.Len(p.t, l.Status.Components, 4)
	var fluentd corev1.Service
	require.NoError(p.t, p.get(Fluentd, &fluentd))
	require.Equal(p.t, fluentd.Spec.ClusterIP+":24224", world.forward.Address)
	p.until("ready", func() error { return p.ready(p.pods(true)) })
	require.Equal(p.t, 1, world.back, "what waits is sent once the whole way is there, and not at every pass")
	require.Equal(p.t, "green", p.stack().Status.ElasticsearchHealth)
	require.Equal(p.t, 14*24*time.Hour, world.access.Retention)
	var claims corev1.PersistentVolumeClaimList
	require.NoError(p.t, p.admin.List(ctx, &claims, client.InNamespace(namespace)))
	require.Len(p.t, claims.Items, 3)
	require.Equal(p.t, resource.MustParse("5Gi"), claims.Items[0].Spec.Resources.Requests[corev1.ResourceStorage])
}

func (p *plane) ready(err error) error {
	if l := p.stack(); err == nil && l.Status.State != v1alpha1.StackReady {
		err = fmt.Errorf("%s: %s", l.Status.State, l.Status.Message)
	}
	return err
}

// pods says of each that is there that it is ready, or is not, as a kubelet would.
func (p *plane) pods(ready bool) error {
	var pods corev1.PodList
	if err := p.admin.List(p.t.Context(), &pods, client.InNamespace(namespace)); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
		if ready {
			pod.Status.Conditions[0].Status = corev1.ConditionTrue
		}
		if !pod.DeletionTimestamp.IsZero() {
			zero := int64(0)
			_ = p.admin.Delete(p.t.Context(), &pod, &client.DeleteOptions{GracePeriodSeconds: &zero})
			continue
		}
		if err := p.admin.Status().Update(p.t.Context(), &pod); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// healed: what people change by hand is put back, and what they delete comes back.
func (p *plane) healed() {
	ctx := p.t.Context()
	var config corev1.ConfigMap
	require.NoError(p.t, p.get(Fluentd, &config))
	config.Data["fluent.conf"] = "<match **>\n</match>\n"
	require.NoError(p.t, p.admin.Update(ctx, &config))
	var es appsv1.StatefulSet
	require.NoError(p.t, p.get(Elasticsearch, &es))
	es.Spec.Template.Spec.Containers[0].Image = "elsewhere"
	require.NoError(p.t, p.admin.Update(ctx, &es))
	var ns corev1.Namespace
	require.NoError(p.t, p.admin.Get(ctx, client.ObjectKey{Name: namespace}, &ns))
	ns.Labels["pod-security.kubernetes.io/enforce"] = "restricted"
	require.NoError(p.t, p.admin.Update(ctx, &ns))
	require.NoError(p.t, p.admin.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: leafSecret(Kibana)}}))
	p.reconcile()
	require.NoError(p.t, p.get(Fluentd, &config))
	require.Contains(p.t, config.Data["fluent.conf"], "@type elasticsearch")
	require.NoError(p.t, p.get(Elasticsearch, &es))
	require.Equal(p.t, "elasticsearch:9", es.Spec.Template.Spec.Containers[0].Image)
	require.NoError(p.t, p.get(leafSecret(Kibana), &corev1.Secret{}))
	require.NoError(p.t, p.admin.Get(ctx, client.ObjectKey{Name: namespace}, &ns))
	require.Equal(p.t, "baseline", ns.Labels["pod-security.kubernetes.io/enforce"])
}

// pruned: a part that is no more asked for goes with all that was its own.
func (p *plane) pruned() {
	l := p.stack()
	l.Spec.Kibana, l.Spec.Logstash = nil, nil
	require.NoError(p.t, p.admin.Update(p.t.Context(), l))
	p.until("no Kibana", func() error {
		if err := p.get(Kibana, &appsv1.Deployment{}); !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("is there"))
		}
		return p.ready(p.pods(true))
	})
	for _, o := range []client.Object{&corev1.Service{}, &corev1.ConfigMap{}} {
		require.True(p.t, apierrors.IsNotFound(p.get(Kibana, o)), "%T", o)
	}
	require.True(p.t, apierrors.IsNotFound(p.get(leafSecret(Kibana), &corev1.Secret{})))
	require.Len(p.t, p.stack().Status.Components, 2)
}

// unhappy: what is wrong is said, without the passwords that pods print.
func (p *plane) unhappy(world *joined) {
	var passwords corev1.Secret
	require.NoError(p.t, p.get(PasswordsSecret, &passwords))
	planted := string(passwords.Data[Writer])
	world.err = errors.New("401 for " + planted)
	p.reconcile()
	l := p.stack()
	require.Equal(p.t, v1alpha1.StackDegraded, l.Status.State)
	require.Contains(p.t, l.Status.Message, "401 for ***")
	world.err = nil
	var pod corev1.Pod
	require.NoError(p.t, p.get("elasticsearch-0", &pod))
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: Elasticsearch, Image: "elasticsearch:9", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"},
	}, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Message: "no " + planted + " here"}}}}
	require.NoError(p.t, p.admin.Status().Update(p.t.Context(), &pod))
	p.until("crash", func() error {
		if m := p.stack().Status.Message; !strings.Contains(m, "ends with 3: no *** here") {
			return errors.New(m)
		}
		return nil
	})
	for _, c := range p.stack().Status.Conditions {
		require.Equal(p.t, c.Type == v1alpha1.StackDegraded, c.Status == metav1.ConditionTrue, c.Type)
	}
}

// removed: claims, passwords and authority stay for another stack, unless told.
func (p *plane) removed(world *joined) {
	ctx := p.t.Context()
	gone := func() error {
		err := p.admin.Get(ctx, client.ObjectKey{Name: v1alpha1.LogStackName}, &v1alpha1.LogStack{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("is there"))
	}
	spec := p.stack().Spec
	password := world.access.Passwords[Superuser]
	require.NoError(p.t, p.admin.Delete(ctx, p.stack()))
	p.until("removed", gone)
	require.Nil(p.t, world.forward, "lines are still sent")
	for _, o := range []client.Object{&appsv1.StatefulSet{}, &corev1.Service{}, &corev1.ConfigMap{}} {
		require.True(p.t, apierrors.IsNotFound(p.get(Elasticsearch, o)), "%T", o)
	}
	var secrets corev1.SecretList
	require.NoError(p.t, p.admin.List(ctx, &secrets, client.InNamespace(namespace)))
	var names []string
	for _, s := range secrets.Items {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	require.Equal(p.t, []string{authoritySecret, PasswordsSecret}, names)
	require.NoError(p.t, p.get("data-elasticsearch-0", &corev1.PersistentVolumeClaim{}))

	require.NoError(p.t, p.admin.Create(ctx, &v1alpha1.LogStack{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.LogStackName}, Spec: spec}))
	p.until("again", func() error { return p.ready(p.pods(true)) })
	require.Equal(p.t, password, world.access.Passwords[Superuser])

	l := p.stack()
	l.Annotations = map[string]string{AnnotationRemoveData: "true"}
	require.NoError(p.t, p.admin.Update(ctx, l))
	require.NoError(p.t, p.admin.Delete(ctx, l))
	p.until("removed with its data", func() error {
		// Nobody else finishes claims and pods here.
		var claims corev1.PersistentVolumeClaimList
		if err := p.admin.List(ctx, &claims, client.InNamespace(namespace)); err != nil {
			return err
		}
		return errors.Join(p.pods(true), gone())
	})
	require.True(p.t, apierrors.IsNotFound(p.admin.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{})))

	// A namespace of that name which somebody else made is left alone.
	require.NoError(p.t, p.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	require.NoError(p.t, p.admin.Create(ctx, &v1alpha1.LogStack{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.LogStackName}, Spec: spec}))
	p.reconcile()
	require.Contains(p.t, p.stack().Status.Message, "not made for a log stack")
	_, err := p.controller.RemoveData(ctx)
	require.ErrorIs(p.t, err, ErrNotOurs)
}
