package stack

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

// KibanaConf is kibana.yml.
func KibanaConf() string {
	const certificate = "/usr/share/kibana/config/certificate/"
	b, err := yaml.Marshal(map[string]any{
		"server.name": Kibana, "server.host": "0.0.0.0", "server.port": KibanaPort,
		"server.ssl.enabled": true, "server.ssl.certificate": certificate + "tls.crt", "server.ssl.key": certificate + "tls.key",
		"elasticsearch.hosts":                      []string{fmt.Sprintf("https://%s:%d", Host(Elasticsearch), ElasticsearchPort)},
		"elasticsearch.ssl.certificateAuthorities": []string{certificate + "ca.crt"},
		"elasticsearch.ssl.verificationMode":       "full",
		"elasticsearch.username":                   KibanaUser,
		// Names that the image's own start script takes for no setting, which would put them
		// on the command line.
		"elasticsearch.password":                    "${SLIPWAY_KIBANA_PASSWORD}",
		"xpack.security.encryptionKey":              "${SLIPWAY_KIBANA_SESSIONS}",
		"xpack.encryptedSavedObjects.encryptionKey": "${SLIPWAY_KIBANA_OBJECTS}",
		"telemetry.optIn":                           false,
	})
	if err != nil {
		panic(err) // strings, numbers and booleans
	}
	return "# Written by Slipway for its LogStack; what is changed here is put back.\n" + string(b)
}

func kibana(spec v1alpha1.LogStackSpec, s *Secrets) []client.Object {
	k := *spec.Kibana
	p := pod{
		part: Kibana, image: k.Image, resources: k.Resources, cpu: "200m", memory: "1Gi", user: elasticUser, group: elasticUser,
		port: KibanaPort, probe: 10,
		config:       map[string]string{"kibana.yml": KibanaConf()},
		files:        map[string]string{"kibana.yml": "/usr/share/kibana/config/kibana.yml"},
		certificates: "/usr/share/kibana/config/certificate",
		passwords:    map[string]string{"SLIPWAY_KIBANA_PASSWORD": KibanaUser, "SLIPWAY_KIBANA_SESSIONS": kibanaSessions, "SLIPWAY_KIBANA_OBJECTS": kibanaObjects},
	}
	return append(p.around(s), deployment(p, spec, s))
}

// deployment is a workload of one pod, whose successor comes when it is gone: two Kibanas
// of different versions would migrate one another's indices.
func deployment(p pod, spec v1alpha1.LogStackSpec, s *Secrets) client.Object {
	return &appsv1.Deployment{ObjectMeta: meta(p.part, p.part), Spec: appsv1.DeploymentSpec{
		Replicas: ptr.To[int32](1), Selector: &metav1.LabelSelector{MatchLabels: selector(p.part)}, Template: p.template(spec, s),
		Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
	}}
}
