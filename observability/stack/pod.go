package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// pod is what the parts' pods have in common.
type pod struct {
	part, image string
	resources   v1alpha1.StackResources
	// cpu and memory are for a user who says nothing.
	cpu, memory string
	// user of the process and group of its files; user 0 is as the image says.
	user, group int64
	port        int32
	probe       int32 // seconds between two looks
	// config has files by their names, files where each of them is mounted.
	config map[string]string
	files  map[string]string
	// certificates is the directory of ca.crt, tls.crt and tls.key.
	certificates string
	// passwords are environment variables with keys of the passwords' Secret.
	passwords map[string]string
	env       map[string]string
}

func (p pod) memoryLimit() resource.Quantity {
	if p.resources.Memory != nil {
		return *p.resources.Memory
	}
	return resource.MustParse(p.memory)
}

func (p pod) requirements() corev1.ResourceRequirements {
	cpu := resource.MustParse(p.cpu)
	if p.resources.CPU != nil {
		cpu = *p.resources.CPU
	}
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: cpu, corev1.ResourceMemory: p.memoryLimit()},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: p.memoryLimit()},
	}
}

// digest of what the pod reads when it begins: another one restarts it.
func (p pod) digest(s *Secrets) string {
	h := sha256.New()
	for _, m := range []map[string]string{p.config, p.env, p.passwords} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(h, "%q=%q\n", k, m[k])
		}
	}
	for _, env := range slices.Sorted(maps.Keys(p.passwords)) {
		fmt.Fprintf(h, "%q\n", s.Passwords[p.passwords[env]])
	}
	fmt.Fprintf(h, "%s%s", s.Authority.Cert, s.Leaves[p.part].Cert)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// template is the pod's own; what only one part has is added by it.
func (p pod) template(spec v1alpha1.LogStackSpec, s *Secrets) corev1.PodTemplateSpec {
	c := corev1.Container{
		Name: p.part, Image: p.image, Resources: p.requirements(),
		Ports: []corev1.ContainerPort{{Name: "main", ContainerPort: p.port, Protocol: corev1.ProtocolTCP}},
		// Its last lines say why it ended, to whoever looks at its state.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		ReadinessProbe:           &corev1.Probe{ProbeHandler: listens(p.port), PeriodSeconds: p.probe, TimeoutSeconds: 3},
		StartupProbe:             &corev1.Probe{ProbeHandler: listens(p.port), PeriodSeconds: 3, TimeoutSeconds: 3, FailureThreshold: 200},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: "certificate", MountPath: p.certificates, ReadOnly: true}},
	}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "config", MountPath: p.files[name], SubPath: name, ReadOnly: true})
	}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: p.env[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(p.passwords)) {
		c.Env = append(c.Env, corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: PasswordsSecret}, Key: p.passwords[name],
		}}})
	}
	security := &corev1.PodSecurityContext{FSGroup: ptr.To(p.group), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	if p.user != 0 {
		security.RunAsUser, security.RunAsGroup, security.RunAsNonRoot = ptr.To(p.user), ptr.To(int64(0)), ptr.To(true)
	}
	t := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels(p.part), Annotations: map[string]string{annotationConfig: p.digest(s)}},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: ptr.To(false),
			EnableServiceLinks:           ptr.To(false),
			SecurityContext:              security,
			Containers:                   []corev1.Container{c},
			Volumes: []corev1.Volume{
				{Name: "certificate", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: leafSecret(p.part), DefaultMode: ptr.To[int32](0o440)}}},
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: p.part}}}},
			},
		},
	}
	for _, name := range spec.PullSecrets {
		t.Spec.ImagePullSecrets = append(t.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	return t
}

// around are the objects beside the workload.
func (p pod) around(s *Secrets) []client.Object {
	return []client.Object{
		s.leaf(p.part),
		&corev1.ConfigMap{ObjectMeta: meta(p.part, p.part), Data: p.config},
		&corev1.Service{ObjectMeta: meta(p.part, p.part), Spec: corev1.ServiceSpec{Selector: selector(p.part), Ports: []corev1.ServicePort{servicePort("main", p.port)}}},
	}
}

func listens(port int32) corev1.ProbeHandler {
	return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}}
}

func servicePort(name string, port int32) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Port: port, TargetPort: intstr.FromInt32(port), Protocol: corev1.ProtocolTCP}
}

// megabytes of a quantity, for Java.
func megabytes(q resource.Quantity) int64 { return max(1, q.Value()>>20) }
