package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"sigs.k8s.io/yaml"
)

// kibana listens when the Elasticsearch knows it.
func kibana(conf string) error {
	var c struct {
		Host     string   `json:"server.host"`
		Port     int      `json:"server.port"`
		Cert     string   `json:"server.ssl.certificate"`
		Key      string   `json:"server.ssl.key"`
		Hosts    []string `json:"elasticsearch.hosts"`
		CAs      []string `json:"elasticsearch.ssl.certificateAuthorities"`
		User     string   `json:"elasticsearch.username"`
		Password string   `json:"elasticsearch.password"`
		Sessions string   `json:"xpack.security.encryptionKey"`
	}
	if err := yaml.Unmarshal([]byte(conf), &c); err != nil {
		return err
	}
	if len(expand(c.Sessions)) < 32 {
		return fmt.Errorf("xpack.security.encryptionKey has less than 32 characters")
	}
	pem, err := os.ReadFile(c.CAs[0])
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for ; ; time.Sleep(time.Second) {
		req, err := http.NewRequest(http.MethodGet, c.Hosts[0]+"/_security/_authenticate", nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth(c.User, expand(c.Password))
		resp, err := client.Do(req)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
		fmt.Fprintln(os.Stderr, resp.Status)
	}
	return http.ListenAndServeTLS(fmt.Sprintf("%s:%d", c.Host, c.Port), c.Cert, c.Key, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":{"overall":{"level":"available"}}}`)
	}))
}
