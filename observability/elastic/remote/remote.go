// Package remote owns the way of log lines to an Elasticsearch 8 or later that is already
// there: the lifecycle policy and the templates of the data streams it writes, the writing,
// and searching there. It speaks by Elastic's own client for Go.
//
// It never reads the embedded store: chunks come to it from a logs.Spool, which keeps them
// while the other side is away. Start at Remote; search.go reads.
package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"slipway.dev/observability/credentials"
	"slipway.dev/observability/logs"
)

// Prefix begins the name of every data stream that is written.
const Prefix = "slipway-"

// Remote is one Elasticsearch.
type Remote struct {
	// URL of it, https unless it is on loopback.
	URL string
	// CredentialsFile has an API key, or user:password.
	CredentialsFile string
	// CAFile is the authority of its certificate, where it is no public one.
	CAFile string
	// ServerName is whom its certificate is for, if not for the host of URL.
	ServerName string
	// Transport in place of the network, where the other side's name is known to nobody here.
	Transport http.RoundTripper `json:"-"`
	// Credentials are user:password, where they are in no file.
	Credentials string `json:"-"`
	// Replicas, such as 0-1, are index.auto_expand_replicas of what is written.
	Replicas string `json:"-"`
	// Own is the cluster_uuid of our own store: lines that were sent there would come back
	// for ever.
	Own string `json:"-"`
	// Retention is after how many days its lifecycle policy deletes.
	Retention time.Duration

	client      esapi.Transport
	provisioned bool
}

// Open reads the files that the configuration names.
func (r *Remote) Open() error {
	u, err := url.Parse(r.URL)
	if err != nil {
		return fmt.Errorf("elasticsearch: %w", err)
	}
	if u.User != nil {
		return errors.New("elasticsearch: credentials go into a file, not into the URL")
	}
	c := elastictransport.Config{URLs: []*url.URL{u}, DisableRetry: true, CompressRequestBody: true, Transport: r.Transport}
	if r.ServerName != "" && c.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.ServerName}
		c.Transport = t
	}
	if r.CAFile != "" {
		if c.CACert, err = os.ReadFile(r.CAFile); err != nil {
			return err
		}
	}
	who := credentials.Parse(r.Credentials)
	if r.CredentialsFile != "" {
		if who, err = credentials.Read(r.CredentialsFile); err != nil {
			return fmt.Errorf("elasticsearch: %w", err)
		}
	}
	if c.Username = who.User; who.User != "" {
		c.Password = who.Secret
	} else {
		c.APIKey = who.Secret
	}
	r.client, err = elastictransport.New(c)
	return err
}

// Name is where it is.
func (r *Remote) Name() string { return "elasticsearch at " + r.URL }

// call does a request and reads its JSON into out.
func (r *Remote) call(ctx context.Context, req esapi.Request, what string, out any) error {
	resp, err := req.Do(ctx, r.client)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.Header.Get("X-Elastic-Product") != "Elasticsearch" && !resp.IsError() {
		return fmt.Errorf("%s: what answers at %s is not Elasticsearch", what, r.URL)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return err
	}
	if resp.IsError() {
		return &statusError{what: what, status: resp.StatusCode, body: fmt.Sprintf("%.4000s", b)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

type statusError struct {
	what   string
	status int
	body   string
}

func (e *statusError) Error() string { return fmt.Sprintf("%s: %d %.500s", e.what, e.status, e.body) }

// Unwrap tells what will be refused again from what may go better later. A wrong password
// is put right by a person, and lines wait for that.
func (e *statusError) Unwrap() error {
	if e.status == http.StatusBadRequest || e.status == http.StatusRequestEntityTooLarge {
		return logs.ErrRefused
	}
	return nil
}

// Provision puts the policy and the templates there. It may be done again at any time.
func (r *Remote) Provision(ctx context.Context) error {
	var info struct {
		Version struct{ Number string }
		UUID    string `json:"cluster_uuid"`
	}
	if err := r.call(ctx, esapi.InfoRequest{}, "elasticsearch", &info); err != nil {
		return err
	}
	var major, minor int
	_, _ = fmt.Sscanf(info.Version.Number, "%d.%d", &major, &minor)
	if major < 8 {
		return fmt.Errorf("elasticsearch at %s is version %q; 8 or later is wanted", r.URL, info.Version.Number)
	}
	if r.Own != "" && info.UUID == r.Own {
		return fmt.Errorf("elasticsearch at %s is this server's own store: lines would come back for ever; correct logs.elasticsearch", r.URL)
	}
	// Labels such as app and app.kubernetes.io/name are on one pod: dots are parts of names.
	// Versions before 8.3 make objects of them, and refuse a line that has both.
	for _, step := range r.steps(major > 8 || minor >= 3) {
		if err := r.call(ctx, step.req, step.what, nil); err != nil {
			return err
		}
	}
	r.provisioned = true
	return nil
}

type step struct {
	what string
	req  esapi.Request
}

// steps are in the order of what needs what.
func (r *Remote) steps(flat bool) []step {
	days := max(1, int(r.Retention.Hours()/24))
	text := func(v any) io.Reader {
		b, _ := json.Marshal(v) // maps of strings
		return bytes.NewReader(b)
	}
	keyword := m{"type": "keyword"}
	properties := m{"@timestamp": m{"type": "date_nanos"}, "message": m{"type": "match_only_text"}}
	for _, name := range []string{"namespace", "pod", "container", "stream", "node", "application", "release", "commit", "run", "job", "level", "tag"} {
		properties[name] = keyword
	}
	mappings := m{"properties": properties}
	if flat {
		mappings["subobjects"] = false
	}
	index := m{"lifecycle": m{"name": Prefix + "logs"}, "mapping": m{"total_fields": m{"ignore_dynamic_beyond_limit": true}}}
	if r.Replicas != "" {
		index["auto_expand_replicas"] = r.Replicas
	}
	return []step{
		{"lifecycle policy", esapi.ILMPutLifecycleRequest{Policy: Prefix + "logs", Body: text(m{"policy": m{"phases": m{
			"hot":    m{"actions": m{"rollover": m{"max_primary_shard_size": "50gb", "max_age": "1d"}}},
			"delete": m{"min_age": strconv.Itoa(days) + "d", "actions": m{"delete": m{}}},
		}}})}},
		{"component template", esapi.ClusterPutComponentTemplateRequest{Name: Prefix + "logs", Body: text(m{"template": m{
			"settings": m{"index": index},
			"mappings": mappings,
		}})}},
		{"index template", esapi.IndicesPutIndexTemplateRequest{Name: Prefix + "logs", Body: text(m{
			"index_patterns": []string{Prefix + "logs-*"}, "data_stream": m{}, "composed_of": []string{Prefix + "logs"}, "priority": 300,
		})}},
	}
}

// Send writes a chunk with one bulk request. A document's id is its place in the chunk, so
// that a chunk which is sent twice is there once.
func (r *Remote) Send(ctx context.Context, id string, rows []logs.Row, _ bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if !r.provisioned {
		if err := r.Provision(ctx); err != nil {
			// The chunk itself is not what is refused.
			return errors.New(err.Error())
		}
	}
	var answer struct {
		Errors bool
		Items  []map[string]struct {
			Status int
			Error  struct{ Type, Reason string }
		}
	}
	err := r.call(ctx, esapi.BulkRequest{Body: bytes.NewReader(bulk(id, rows))}, "bulk", &answer)
	if err != nil || !answer.Errors {
		return err
	}
	refused, first := 0, ""
	for _, item := range answer.Items {
		for _, it := range item {
			switch {
			case it.Status < 300 || it.Status == http.StatusConflict:
			case it.Status == http.StatusTooManyRequests || it.Status >= 500:
				return fmt.Errorf("bulk: %d %s: %s", it.Status, it.Error.Type, it.Error.Reason)
			default:
				if refused++; refused == 1 {
					first = fmt.Sprintf("%s: %.300s", it.Error.Type, it.Error.Reason)
				}
			}
		}
	}
	if refused > 0 {
		return &logs.RefusedError{Lines: refused, Err: fmt.Errorf("%d of %d lines: %s", refused, len(rows), first)}
	}
	return nil
}

func bulk(id string, rows []logs.Row) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for i, row := range rows {
		type meta struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		doc := make(map[string]string, len(row.Fields)+1)
		for _, f := range row.Fields {
			switch {
			case f.Name == "_msg":
				doc["message"] = f.Value
			case !strings.HasPrefix(f.Name, "_"):
				doc[f.Name] = f.Value
			}
		}
		doc["@timestamp"] = time.Unix(0, row.Time).UTC().Format(time.RFC3339Nano)
		_ = e.Encode(map[string]meta{"create": {Prefix + row.Index(), id + "-" + strconv.Itoa(i)}}) // to memory
		_ = e.Encode(doc)
	}
	return b.Bytes()
}
