package stack

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Fields that a line has on its way only: the id of its document, so that one which is sent
// twice is there once, and its data stream.
const (
	IDField    = "slipway_id"
	IndexField = "slipway_index"
)

// defaultIndex has the lines that others send to the Fluentd.
const defaultIndex = "slipway-logs-fluentd-default"

//go:embed fluent.conf
var fluentText string

// The delimiters are none that Fluentd's configuration or embedded Ruby has.
var fluentConf = template.Must(template.New("fluent.conf").Delims("<%", "%>").Parse(fluentText))

// FluentConf is the Fluentd's configuration.
func FluentConf(f v1alpha1.FluentdSpec) string {
	var b strings.Builder
	err := fluentConf.Execute(&b, map[string]any{
		"Port": FluentdPort, "Host": Host(Elasticsearch), "ESPort": ElasticsearchPort, "User": Writer,
		"ID": IDField, "Index": IndexField, "Default": defaultIndex, "More": strings.TrimSpace(f.Config),
		"Buffer": fmt.Sprintf("%dm", megabytes(buffer(f))),
	})
	if err != nil {
		panic(err) // the template is fixed, and writing to memory
	}
	return b.String()
}

func buffer(f v1alpha1.FluentdSpec) resource.Quantity {
	if f.Buffer != nil {
		return *f.Buffer
	}
	return resource.MustParse("1Gi")
}

func fluentd(spec v1alpha1.LogStackSpec, s *Secrets) []client.Object {
	p := pod{
		part: Fluentd, image: spec.Fluentd.Image, resources: spec.Fluentd.Resources, cpu: "100m", memory: "512Mi",
		// Images differ in the user they run as; the group lets each of them in.
		group: 2000, port: FluentdPort,
		// Fluentd notes each connection that says nothing.
		probe:  60,
		config: map[string]string{"fluent.conf": FluentConf(spec.Fluentd)}, certificates: "/fluentd/certificate",
		passwords: map[string]string{"ELASTICSEARCH_PASSWORD": Writer, "FLUENT_SHARED_KEY": sharedKey},
		env:       map[string]string{"FLUENTD_CONF": "fluent.conf"},
	}
	t := p.template(spec, s)
	c := &t.Spec.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts,
		// The whole directory: nothing of the image's own configuration is read.
		corev1.VolumeMount{Name: "config", MountPath: "/fluentd/etc", ReadOnly: true},
		corev1.VolumeMount{Name: "buffer", MountPath: "/fluentd/buffer"})
	room := buffer(spec.Fluentd)
	room.Add(resource.MustParse("256Mi"))
	t.Spec.Volumes = append(t.Spec.Volumes, corev1.Volume{Name: "buffer", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &room},
	}})
	// One on each node, whatever the node is for; what it holds is sent before it ends.
	t.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	t.Spec.TerminationGracePeriodSeconds = ptr.To[int64](60)
	return append(p.around(s), &appsv1.DaemonSet{ObjectMeta: meta(Fluentd, Fluentd), Spec: appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: selector(Fluentd)}, Template: t,
		UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType, RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: ptr.To(intstr.FromInt32(1))}},
	}})
}
