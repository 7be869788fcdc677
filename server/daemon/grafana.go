package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"
	"github.com/prometheus/common/model"

	"slipway.dev/cluster/authz"
	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/grafana"
	"slipway.dev/server/api"
)

// grafanaUser reads metrics and logs for a Grafana, and nothing else of a use to it.
const grafanaUser = "slipway:grafana"

// openGrafana readies the provisioning of the Grafana that is configured, if any.
func (s *services) openGrafana(context.Context) (err error) {
	c := s.conf.Grafana
	if c.URL == "" {
		return nil
	}
	s.grafana, err = grafana.New(grafana.Options{
		URL: c.URL, CredentialsFile: c.Credentials, CAFile: c.CA, Edits: c.Edits, StateFile: filepath.Join(s.conf.DataDir, "grafana.json"),
		Desired: s.forGrafana, Log: s.log.With("part", "grafana"),
	})
	if err == nil {
		s.state.ask(s.grafanaState)
	}
	return err
}

func (s *services) grafanaTokenFile() string { return filepath.Join(s.conf.DataDir, "grafana.token") }

// forGrafana is what should be there.
func (s *services) forGrafana(ctx context.Context) (grafana.Desired, error) {
	var d grafana.Desired
	err := s.access.tokenFile(ctx, s.grafanaTokenFile(), authz.Token{
		User: grafanaUser, Groups: []string{authz.AdminGroup}, Role: authz.RoleViewer, Description: "the data sources in " + s.conf.Grafana.URL,
	})
	if err != nil {
		return d, err
	}
	token, err := os.ReadFile(s.grafanaTokenFile())
	if err != nil {
		return d, err
	}
	if d.DataSources, err = s.dataSources(strings.TrimSpace(string(token))); err != nil {
		return d, err
	}
	d.Folders = []grafana.Folder{{UID: "slipway", Title: "Slipway"}}
	all, err := dashboard.All()
	for _, b := range all {
		d.Dashboards = append(d.Dashboards, grafana.Dashboard{UID: dashboard.UID(b.Name), Title: b.Title, Folder: "slipway", JSON: json.RawMessage(b.JSON)})
	}
	s.provision.Add(ctx, &d)
	return d, err
}

// dataSources are the front door's, by the types of Grafana's own.
func (s *services) dataSources(token string) ([]gapi.DataSource, error) {
	door := strings.TrimRight(s.conf.Grafana.DatasourceURL, "/")
	if door == "" {
		door = s.conf.URL
	}
	of := func(uid, name, kind, path string, data map[string]any) (gapi.DataSource, error) {
		secret := map[string]any{"httpHeaderValue1": "Bearer " + token}
		data["httpHeaderName1"] = "Authorization"
		if strings.HasPrefix(door, "https:") && s.conf.TLSCert == "" {
			authority, err := os.ReadFile(s.cluster.pki.CA)
			if err != nil {
				return gapi.DataSource{}, err
			}
			data["tlsAuthWithCACert"], secret["tlsCACert"] = true, string(authority)
		}
		return gapi.DataSource{UID: uid, Name: name, Type: kind, URL: door + path, Access: "proxy", JSONData: data, SecureJSONData: secret}, nil
	}
	metrics, err := of("slipway-prometheus", "Slipway metrics", "prometheus", "/prometheus", map[string]any{
		"httpMethod": "POST", "prometheusType": "Prometheus", "timeInterval": model.Duration(s.conf.ScrapeInterval).String(), "manageAlerts": false,
	})
	if err != nil {
		return nil, err
	}
	logs, err := of("slipway-logs", "Slipway logs", "elasticsearch", "/elastic", map[string]any{
		"index": "logs-*", "timeField": "@timestamp", "logMessageField": "message", "logLevelField": "level", "maxConcurrentShardRequests": 5,
	})
	// Grafana 10 and older look for the index here.
	logs.Database = "logs-*"
	return []gapi.DataSource{metrics, logs}, err
}

// grafanaState is a line of `slipway status`; nothing of ours waits for it.
func (s *services) grafanaState(context.Context) []api.Component {
	st := s.grafana.Status()
	c := api.Component{Name: "grafana", Ready: st.Problem == "" && (st.Removed || !st.Passed.IsZero()), Optional: true, Message: st.Problem}
	switch {
	case st.Removed && st.Problem == "":
		c.Message = "removed from " + st.URL + "; `slipway grafana sync` provisions it again"
	case st.Problem == "" && st.Passed.IsZero():
		c.Message = "provisioning " + st.URL
	case st.Problem == "":
		c.Message = st.URL
		if st.Incomplete {
			c.Message += "; not all that should be there could be looked up: it is tried again"
		}
		if len(st.Kept) > 0 {
			few := st.Kept[:min(len(st.Kept), 10)]
			if c.Message += "; kept as people edited them: " + strings.Join(few, ", "); len(few) < len(st.Kept) {
				c.Message += fmt.Sprintf(" and %d more", len(st.Kept)-len(few))
			}
		}
	}
	if !st.Passed.IsZero() {
		c.Since = st.Passed.Format(time.RFC3339)
	}
	return []api.Component{c}
}

// grafanaAPI is the provisioning in the API's words; nil where there is none.
func (s *services) grafanaAPI() api.Grafana {
	if s.grafana == nil {
		return nil
	}
	return grafanaVerbs{s.grafana, s}
}

type grafanaVerbs struct {
	*grafana.Provisioner
	s *services
}

// Remove takes everything away, and with it what the data sources could read by.
func (g grafanaVerbs) Remove(ctx context.Context, edited bool) ([]string, error) {
	left, err := g.Provisioner.Remove(ctx, edited)
	if err != nil {
		return left, err
	}
	all, err := g.s.access.tokens.List(ctx)
	if err != nil {
		return left, err
	}
	for _, t := range all {
		if t.User == grafanaUser {
			if err := g.s.access.tokens.Revoke(ctx, t.ID); err != nil {
				return left, err
			}
		}
	}
	return left, os.RemoveAll(g.s.grafanaTokenFile())
}
