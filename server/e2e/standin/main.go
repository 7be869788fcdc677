// Command standin stands for the Fluentd, the Elasticsearch, the Kibana and the Logstash of a
// log stack in the end-to-end test: none of the real images can be had where that runs. It is whichever
// of them its configuration is mounted for, takes only what that configuration says, and so
// shows that addresses, names, certificates, passwords and claims fit one another. It knows
// no more of the real programs than their published contracts, and is no proof of them.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	for file, run := range map[string]func(conf string) error{
		"/usr/share/elasticsearch/config/elasticsearch.yml": elasticsearch,
		"/fluentd/etc/fluent.conf":                          fluentd,
		"/usr/share/kibana/config/kibana.yml":               kibana,
		"/usr/share/logstash/pipeline/logstash.conf":        logstash,
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", file, run(string(b)))
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "no configuration is mounted")
	os.Exit(1)
}

// expand puts the environment into ${NAME}, as Elastic's programs do.
func expand(s string) string { return os.Expand(strings.Trim(s, `"`), os.Getenv) }
