package stack

import (
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

const logstashHome = "/usr/share/logstash"

// httpInput is for who names no pipeline.
const httpInput = `input {
  http {
    port => %d
    ssl_enabled => true
    ssl_certificate => "` + logstashHome + `/certificate/tls.crt"
    ssl_key => "` + logstashHome + `/certificate/tls.key"
    user => "logstash"
    password => "${LOGSTASH_INPUT_PASSWORD}"
  }
}
`

// LogstashConf is the pipeline: inputs and filters, and our output.
func LogstashConf(l v1alpha1.LogstashSpec) string {
	in := strings.TrimSpace(l.Pipeline)
	if in == "" {
		in = strings.TrimSpace(fmt.Sprintf(httpInput, logstashPort(l)))
	}
	// A data stream of Logstash's own naming would be of none of our templates.
	return in + fmt.Sprintf(`

output {
  elasticsearch {
    hosts => ["https://%s:%d"]
    user => "%s"
    password => "${ELASTICSEARCH_PASSWORD}"
    ssl_enabled => true
    ssl_certificate_authorities => ["`+logstashHome+`/certificate/ca.crt"]
    index => "slipway-logs-logstash-default"
    action => "create"
    data_stream => false
    manage_template => false
    ilm_enabled => false
  }
}
`, Host(Elasticsearch), ElasticsearchPort, Writer)
}

func logstashPort(l v1alpha1.LogstashSpec) int32 {
	if l.Port != 0 {
		return l.Port
	}
	return LogstashPort
}

func logstash(spec v1alpha1.LogStackSpec, s *Secrets) []client.Object {
	l := *spec.Logstash
	p := pod{
		part: Logstash, image: l.Image, resources: l.Resources, cpu: "200m", memory: "1536Mi", user: elasticUser, group: elasticUser,
		port: logstashPort(l), probe: 10,
		config: map[string]string{
			"slipway.conf": LogstashConf(l),
			// Its own API stays on the pod's loopback.
			"logstash.yml": "api.http.host: 127.0.0.1\nxpack.monitoring.enabled: false\n",
		},
		// The image's pipeline has the name logstash.conf, and would be read as well.
		files:        map[string]string{"slipway.conf": logstashHome + "/pipeline/logstash.conf", "logstash.yml": logstashHome + "/config/logstash.yml"},
		certificates: logstashHome + "/certificate",
		passwords:    map[string]string{"ELASTICSEARCH_PASSWORD": Writer, "LOGSTASH_INPUT_PASSWORD": logstashInput},
	}
	limit := p.memoryLimit()
	p.env = map[string]string{"LS_JAVA_OPTS": fmt.Sprintf("-Xms%[1]dm -Xmx%[1]dm", max(1, megabytes(limit)/2))}
	return append(p.around(s), deployment(p, spec, s))
}
