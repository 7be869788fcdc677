package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

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

// Users gives Kibana's own user its password, and makes the one who writes lines, with a
// role that may do that and no more. It may be done again at any time.
func (r *Remote) Users(ctx context.Context, kibana, writer User) error {
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
