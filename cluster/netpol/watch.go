package netpol

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// watched are the pods and namespaces of the cluster, with what policies ask of them only.
type watched struct {
	factories  []informers.SharedInformerFactory
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	stop       context.CancelFunc
}

// watch fills the caches and returns; changed is called when something of theirs that
// matters is another. It ends with ctx, or by close.
func watch(ctx context.Context, client kubernetes.Interface, changed func()) (*watched, error) {
	pods := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(stripPod),
		// What has ended has no address any more, whatever its status says.
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = "status.phase!=Succeeded,status.phase!=Failed" }))
	namespaces := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(stripNamespace))
	w := &watched{
		factories: []informers.SharedInformerFactory{pods, namespaces},
		pods:      pods.Core().V1().Pods().Lister(), namespaces: namespaces.Core().V1().Namespaces().Lister(),
	}
	for _, i := range []cache.SharedIndexInformer{pods.Core().V1().Pods().Informer(), namespaces.Core().V1().Namespaces().Informer()} {
		if _, err := i.AddEventHandler(handler(changed)); err != nil {
			return nil, err
		}
	}
	ctx, w.stop = context.WithCancel(ctx)
	for _, f := range w.factories {
		f.Start(ctx.Done())
	}
	for _, f := range w.factories {
		for _, synced := range f.WaitForCacheSync(ctx.Done()) {
			if !synced {
				w.close()
				return nil, context.Cause(ctx)
			}
		}
	}
	return w, nil
}

// close ends the watches and waits for them.
func (w *watched) close() {
	w.stop()
	for _, f := range w.factories {
		f.Shutdown()
	}
}

// handler calls changed, but not for what makes no difference.
func handler(changed func()) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed() },
		UpdateFunc: func(old, now any) {
			if !same(old, now) {
				changed()
			}
		},
		DeleteFunc: func(any) { changed() },
	}
}

func same(old, now any) bool {
	switch a := old.(type) {
	case *corev1.Pod:
		b, ok := now.(*corev1.Pod)
		return ok && a.UID == b.UID && maps.Equal(a.Labels, b.Labels) && a.Spec.NodeName == b.Spec.NodeName && slices.Equal(a.Status.PodIPs, b.Status.PodIPs)
	case *corev1.Namespace:
		b, ok := now.(*corev1.Namespace)
		return ok && maps.Equal(a.Labels, b.Labels)
	}
	return false
}

// mirrorOf has the UID by which the node knows a static pod.
const mirrorOf = corev1.MirrorPodAnnotationKey

func stripPod(o any) (any, error) {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil
	}
	out := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion, Labels: p.Labels},
		Spec:       corev1.PodSpec{NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork},
		Status:     corev1.PodStatus{Phase: p.Status.Phase, PodIPs: p.Status.PodIPs},
	}
	if mirror, ok := p.Annotations[mirrorOf]; ok {
		out.Annotations = map[string]string{mirrorOf: mirror}
	}
	for _, containers := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for _, c := range containers {
			ports := slices.DeleteFunc(slices.Clone(c.Ports), func(p corev1.ContainerPort) bool { return p.Name == "" })
			if len(ports) > 0 {
				out.Spec.Containers = append(out.Spec.Containers, corev1.Container{Ports: ports})
			}
		}
	}
	return out, nil
}

func stripNamespace(o any) (any, error) {
	n, ok := o.(*corev1.Namespace)
	if !ok {
		return o, nil
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: n.UID, ResourceVersion: n.ResourceVersion, Labels: n.Labels}}, nil
}

// addressOf is the IPv4 address in the pod's status, if there is one.
func addressOf(p *corev1.Pod) (netip.Addr, bool) {
	for _, ip := range p.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil && a.Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}
