package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// logstash is an http input and an elasticsearch output, as its pipeline configures them.
func logstash(conf string) error {
	plugins, err := pipeline(conf)
	if err != nil {
		return err
	}
	var in, out map[string]any
	for _, p := range plugins {
		switch p.section + " " + p.name {
		case "input http":
			in = p.settings
		case "output elasticsearch":
			out = p.settings
		default:
			return fmt.Errorf("%s %s is not known here", p.section, p.name)
		}
	}
	text := func(of map[string]any, name string) string { s, _ := of[name].(string); return expand(s) }
	if text(out, "action") != "create" || text(out, "ssl_enabled") != "true" || text(in, "ssl_enabled") != "true" {
		return fmt.Errorf("not as a data stream wants it, or not encrypted: %v", plugins)
	}
	authorities, _ := out["ssl_certificate_authorities"].([]string)
	hosts, _ := out["hosts"].([]string)
	if len(authorities) != 1 || len(hosts) != 1 {
		return fmt.Errorf("want one authority and one host: %v", out)
	}
	pem, err := os.ReadFile(authorities[0])
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	take := func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != text(in, "user") || password != text(in, "password") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		doc, _ := json.Marshal(map[string]string{"@timestamp": time.Now().UTC().Format(time.RFC3339Nano), "message": strings.TrimSpace(string(b))})
		bulk := fmt.Sprintf("{\"create\":{\"_index\":%q}}\n%s\n", text(out, "index"), doc)
		req, err := http.NewRequest(http.MethodPost, hosts[0]+"/_bulk", bytes.NewReader([]byte(bulk)))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		req.SetBasicAuth(text(out, "user"), text(out, "password"))
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}
	return http.ListenAndServeTLS("0.0.0.0:"+text(in, "port"), text(in, "ssl_certificate"), text(in, "ssl_key"), http.HandlerFunc(take))
}
