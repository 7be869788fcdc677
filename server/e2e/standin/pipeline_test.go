package main

import (
	"fmt"
	"strings"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/observability/stack"
)

func TestPipeline(t *testing.T) {
	const beats = `input { beats { port => 5044 ssl_enabled => true # a comment
  ssl_certificate => "/usr/share/logstash/certificate/tls.crt" add_field => { "a" => "b" } } }`
	for _, tc := range []struct{ conf, want, refused string }{
		{conf: stack.LogstashConf(v1alpha1.LogstashSpec{}), want: "input http, output elasticsearch"},
		{conf: stack.LogstashConf(v1alpha1.LogstashSpec{Pipeline: beats}), want: "input beats, output elasticsearch"},
		{conf: stack.LogstashConf(v1alpha1.LogstashSpec{Pipeline: "input { http { port => 1 }"}), refused: "want"},
		{conf: `output { a { hosts => ["b" "c"] } }`, refused: `want ','`},
		{conf: `outputs { a { } }`, refused: "no section"},
		{conf: `input { a { b = "c" } }`, refused: `want '>'`},
		{conf: `input { a { b => "c" b => "d" } }`, refused: "twice"},
		{conf: `input { a { b => "c } }`, refused: "literal not terminated"},
	} {
		plugins, err := pipeline(tc.conf)
		var names []string
		for _, p := range plugins {
			names = append(names, p.section+" "+p.name)
		}
		if tc.refused != "" {
			if err == nil || !strings.Contains(err.Error(), tc.refused) {
				t.Errorf("%s: %v, want %s", tc.conf, err, tc.refused)
			}
			continue
		}
		if got := strings.Join(names, ", "); err != nil || got != tc.want {
			t.Errorf("%s: %s %v, want %s", tc.conf, got, err, tc.want)
		}
	}
	plugins, err := pipeline(stack.LogstashConf(v1alpha1.LogstashSpec{Port: 8081}))
	if err != nil {
		t.Fatal(err)
	}
	out := plugins[1].settings
	if plugins[0].settings["port"] != "8081" || fmt.Sprint(out["hosts"]) != "[https://elasticsearch.slipway-logs.svc:9200]" || out["password"] != "${ELASTICSEARCH_PASSWORD}" || out["data_stream"] != "false" {
		t.Errorf("%v", plugins)
	}
}
