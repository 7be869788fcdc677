package stack

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

// elasticUser is the user and the group of Elastic's own images.
const elasticUser = 1000

const dataVolume = "data"

// ElasticsearchConf is elasticsearch.yml.
func ElasticsearchConf() string {
	ssl := func(prefix string, m map[string]any) {
		m[prefix+".enabled"] = true
		m[prefix+".certificate"], m[prefix+".key"] = "certificate/tls.crt", "certificate/tls.key"
		m[prefix+".certificate_authorities"] = []string{"certificate/ca.crt"}
	}
	m := map[string]any{
		"cluster.name": "slipway-logs",
		"node.name":    "${HOSTNAME}",
		"network.host": "0.0.0.0",
		"http.port":    ElasticsearchPort,
		"path.data":    "/usr/share/elasticsearch/data",
		// The name has the addresses of all nodes; the first one alone founds the cluster, so
		// that nodes which come later can never found a second.
		"discovery.seed_hosts":         []string{Host(nodes)},
		"cluster.initial_master_nodes": []string{Elasticsearch + "-0"},
		// Memory maps would want a setting of the node's kernel.
		"node.store.allow_mmap":             false,
		"xpack.security.enabled":            true,
		"xpack.security.enrollment.enabled": false,
		"xpack.ml.enabled":                  false,
		// Nothing is fetched from the internet.
		"ingest.geoip.downloader.enabled": false,
	}
	ssl("xpack.security.http.ssl", m)
	ssl("xpack.security.transport.ssl", m)
	m["xpack.security.transport.ssl.verification_mode"] = "certificate"
	b, err := yaml.Marshal(m)
	if err != nil {
		panic(err) // strings, lists and booleans
	}
	return "# Written by Slipway for its LogStack; what is changed here is put back.\n" + string(b)
}

func elasticsearch(spec v1alpha1.LogStackSpec, s *Secrets) []client.Object {
	e := spec.Elasticsearch
	const home = "/usr/share/elasticsearch"
	p := pod{
		part: Elasticsearch, image: e.Image, resources: e.Resources, cpu: "500m", memory: "2Gi", user: elasticUser, group: elasticUser,
		port: ElasticsearchPort, probe: 5,
		config:       map[string]string{"elasticsearch.yml": ElasticsearchConf()},
		files:        map[string]string{"elasticsearch.yml": home + "/config/elasticsearch.yml"},
		certificates: home + "/config/certificate",
		passwords:    map[string]string{"ELASTIC_PASSWORD": Superuser},
	}
	if e.Heap != nil {
		p.env = map[string]string{"ES_JAVA_OPTS": fmt.Sprintf("-Xms%[1]dm -Xmx%[1]dm", megabytes(*e.Heap))}
	}
	t := p.template(spec, s)
	c := &t.Spec.Containers[0]
	c.Ports = append(c.Ports, corev1.ContainerPort{Name: "transport", ContainerPort: transportPort, Protocol: corev1.ProtocolTCP})
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: dataVolume, MountPath: home + "/data"})
	// Shards are handed over, or at least closed.
	t.Spec.TerminationGracePeriodSeconds = ptr.To[int64](120)
	t.Spec.Affinity = apart(Elasticsearch)
	around := p.around(s)
	return append(around,
		&corev1.Service{ObjectMeta: meta(nodes, Elasticsearch), Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone, Selector: selector(Elasticsearch), PublishNotReadyAddresses: true,
			Ports: []corev1.ServicePort{servicePort("transport", transportPort)},
		}},
		&policyv1.PodDisruptionBudget{ObjectMeta: meta(Elasticsearch, Elasticsearch), Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: selector(Elasticsearch)},
		}},
		&appsv1.StatefulSet{ObjectMeta: meta(Elasticsearch, Elasticsearch), Spec: appsv1.StatefulSetSpec{
			Replicas: ptr.To(e.Replicas), ServiceName: nodes, Selector: &metav1.LabelSelector{MatchLabels: selector(Elasticsearch)}, Template: t,
			// All at once: after a power cut none is ready before most of them are there.
			PodManagementPolicy: appsv1.ParallelPodManagement,
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType, WhenScaled: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{claim(e.Storage)},
		}})
}

func claim(s v1alpha1.StackStorage) corev1.PersistentVolumeClaim {
	size := s.Size
	if size.IsZero() {
		size = resource.MustParse("10Gi")
	}
	c := corev1.PersistentVolumeClaim{
		// No labels: these never change, and claims are kept.
		ObjectMeta: metav1.ObjectMeta{Name: dataVolume},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
	if s.Class != "" {
		c.Spec.StorageClassName = ptr.To(s.Class)
	}
	return c
}

// apart spreads the pods of a part over the nodes, where there are enough.
func apart(part string) *corev1.Affinity {
	return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
		Weight: 100, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: selector(part)}},
	}}}}
}

// claimOf says whether a claim is one of the StatefulSet's.
func claimOf(name string) bool { return strings.HasPrefix(name, dataVolume+"-"+Elasticsearch+"-") }
