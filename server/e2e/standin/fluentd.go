package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// environment is Fluentd's embedded Ruby, as far as our configuration has it.
var environment = regexp.MustCompile(`^"#\{ENV\['([A-Z_]+)'\]\}"$`)

// directive reads the one value of a name.
func directive(conf, name string) string {
	all := regexp.MustCompile(`(?m)^\s*`+name+` (.*)$`).FindAllStringSubmatch(conf, -1)
	if len(all) == 0 {
		return ""
	}
	v := all[len(all)-1][1]
	if m := environment.FindStringSubmatch(v); m != nil {
		return os.Getenv(m[1])
	}
	return v
}

// output is where a chunk goes before it is acknowledged.
type output struct {
	client                       *http.Client
	url, user, password          string
	idKey, indexKey, indexIfNone string
}

func fluentd(conf string) error {
	pem, err := os.ReadFile(directive(conf, "ca_file"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	out := &output{
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}},
		url:    directive(conf, "scheme") + "://" + directive(conf, "host") + ":" + directive(conf, "port") + "/_bulk",
		user:   directive(conf, "user"), password: directive(conf, "password"),
		idKey: directive(conf, "id_key"), indexKey: directive(conf, "target_index_key"), indexIfNone: directive(conf, "index_name"),
	}
	if directive(conf, "write_operation") != "create" || directive(conf, "ssl_verify") != "true" {
		return fmt.Errorf("not as a data stream wants it: %+v", out)
	}
	// The buffer is a directory that can be written.
	if err := os.MkdirAll(directive(conf, "path"), 0o755); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(directive(conf, "cert_path"), directive(conf, "private_key_path"))
	if err != nil {
		return err
	}
	port := regexp.MustCompile(`(?m)^\s*port (\d+)$`).FindStringSubmatch(conf)[1] // the input's is the first
	l, err := net.Listen("tcp", directive(conf, "bind")+":"+port)
	if err != nil {
		return err
	}
	r := &logs.Receiver{Keep: out.keep, Keys: map[string]string{"none": directive(conf, "shared_key")}, Log: slog.Default()}
	return r.Serve(context.Background(), tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}}))
}

func (o *output) keep(_ string, rows []logs.Row, _ bool) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, row := range rows {
		doc := map[string]string{}
		for _, f := range row.Fields {
			switch f.Name {
			case "_msg":
				f.Name = "message"
			case "namespace", "tag":
				continue // the receiver's own; the record's are below
			case "record.namespace":
				f.Name = "namespace"
			}
			if !strings.HasPrefix(f.Name, "_") && f.Name != o.idKey && f.Name != o.indexKey {
				doc[f.Name] = f.Value
			}
		}
		index := row.Get(o.indexKey)
		if index == "" {
			index = o.indexIfNone
		}
		meta := map[string]map[string]string{"create": {"_index": index, "_id": row.Get(o.idKey)}}
		doc["@timestamp"] = time.Unix(0, row.Time).UTC().Format(time.RFC3339Nano)
		if err := e.Encode(meta); err != nil {
			return err
		}
		if err := e.Encode(doc); err != nil {
			return err
		}
	}
	req, err := http.NewRequest(http.MethodPost, o.url, &b)
	if err != nil {
		return err
	}
	req.SetBasicAuth(o.user, o.password)
	resp, err := o.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("bulk: %s", resp.Status)
	}
	return nil
}
