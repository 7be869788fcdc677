package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// User of an Elasticsearch.
type User struct{ Name, Password string }

// Health of the cluster: green, yellow or red.
func (r *Remote) Health(ctx context.Context) (string, error) {
	var answer struct{ Status string }
	err := r.call(ctx, esapi.ClusterHealthRequest{}, "cluster health", &answer)
	return answer.Status, err
}

// At reaches an Elasticsearch of our own at host:port, whose name is known to nobody here and
// whose certificate is by the authority ca. The caller closes the transport's connections.
func At(address, serverName string, ca []byte, who User) (*Remote, *http.Transport, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, nil, errors.New("elasticsearch: the authority has no certificate")
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: serverName},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
		},
		IdleConnTimeout: time.Minute,
	}
	r := &Remote{URL: "https://" + serverName, Transport: transport, Credentials: who.Name + ":" + who.Password}
	return r, transport, r.Open()
}

// Users gives Kibana's own user its password, and makes the one who writes lines and the one
// who reads them, each with a role that may do that and no more. It may be done again at any
// time.
func (r *Remote) Users(ctx context.Context, kibana, writer, reader User) error {
	text := func(v any) io.Reader {
		b, _ := json.Marshal(v) // maps and strings
		return bytes.NewReader(b)
	}
	for _, s := range []step{
		{"password of " + kibana.Name, esapi.SecurityChangePasswordRequest{Username: kibana.Name, Body: text(m{"password": kibana.Password})}},
		{"role " + writer.Name, esapi.SecurityPutRoleRequest{Name: writer.Name, Body: text(m{
			"cluster": []string{"monitor"},
			"indices": []m{{"names": []string{Prefix + "logs-*"}, "privileges": []string{"auto_configure", "create_doc"}}},
		})}},
		{"role " + reader.Name, esapi.SecurityPutRoleRequest{Name: reader.Name, Body: text(m{
			"indices": []m{{"names": []string{Prefix + "logs-*"}, "privileges": []string{"read"}}},
		})}},
		{"user " + reader.Name, esapi.SecurityPutUserRequest{Username: reader.Name, Body: text(m{"password": reader.Password, "roles": []string{reader.Name}})}},
		{"user " + writer.Name, esapi.SecurityPutUserRequest{Username: writer.Name, Body: text(m{"password": writer.Password, "roles": []string{writer.Name}})}},
	} {
		if err := r.call(ctx, s.req, s.what, nil); err != nil {
			return err
		}
	}
	return nil
}

// Refused says whether the other side knows our password to be wrong.
func Refused(err error) bool {
	var s *statusError
	return errors.As(err, &s) && s.status == http.StatusUnauthorized
}
