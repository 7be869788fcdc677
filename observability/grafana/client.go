package grafana

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	gapi "github.com/grafana/grafana-api-golang-client"

	"slipway.dev/observability/credentials"
)

// session is the client of one pass, with what must not be seen in its errors.
type session struct {
	*gapi.Client
	where  string
	secret []string
	done   func()
	asked  atomic.Int64
}

// open makes the client of a pass, which ends with ctx.
func (p *Provisioner) open(ctx context.Context) (*session, error) {
	// With GF_LOG set the client would print bodies, and with them our token.
	if err := os.Unsetenv("GF_LOG"); err != nil {
		return nil, err
	}
	s := &session{where: "grafana at " + p.base, done: func() {}}
	next := p.transport
	if next == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		if p.CAFile != "" {
			pem, err := os.ReadFile(p.CAFile)
			if err != nil {
				return nil, fmt.Errorf("grafana: its authority: %w", err)
			}
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("grafana: no certificate in %s", p.CAFile)
			}
			t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		}
		next, s.done = t, t.CloseIdleConnections // passes are minutes apart
	}
	c := gapi.Config{Client: &http.Client{
		Transport: polite{ctx, next, p.pace, &s.asked},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			return fmt.Errorf("it redirects to %s; give the address where it answers", r.URL.Redacted())
		},
	}}
	who, err := credentials.Read(p.CredentialsFile)
	if err != nil {
		return nil, fmt.Errorf("grafana: %w", err)
	}
	s.secret = []string{who.Secret, url.QueryEscape(who.Secret)}
	if who.User != "" {
		c.BasicAuth = url.UserPassword(who.User, who.Secret)
	} else {
		c.APIKey = who.Secret
	}
	if s.Client, err = gapi.New(p.base, c); err != nil {
		return nil, s.says("address", err)
	}
	health, err := s.Health()
	if err != nil {
		return nil, s.says("its health", err)
	}
	if health.Version == "" && health.Database == "" {
		return nil, fmt.Errorf("%s: what answers there is not Grafana", s.where)
	}
	return s, nil
}

var statusText = regexp.MustCompile(`^status: (\d{3}), body: `)

// statusOf an error of the client; 0 where nobody answered.
func statusOf(err error) int {
	var missing gapi.ErrNotFound
	if errors.As(err, &missing) {
		return http.StatusNotFound
	}
	if err != nil {
		if m := statusText.FindStringSubmatch(err.Error()); m != nil {
			n, _ := strconv.Atoi(m[1]) // three digits
			return n
		}
	}
	return 0
}

// says what could not be done, why, and what a person can do about it.
func (s *session) says(what string, err error) error {
	next := ""
	switch status := statusOf(err); {
	case status == http.StatusUnauthorized:
		next = "; give it the token of a service account that is good (--grafana-credentials)"
	case status == http.StatusForbidden:
		next = "; its service account needs the role Admin"
	case status == http.StatusPreconditionFailed:
		next = "; somebody changed it just now, or there is one of that name: the next pass looks again"
	case status == http.StatusConflict:
		next = "; there is one of that name already: rename or delete it in Grafana"
	case status == http.StatusTooManyRequests:
		next = "; it limits how often it may be asked: the rest follows at the next pass"
	case status >= 500 || status == 0:
		next = "; it is tried again"
	}
	text := strings.ToValidUTF8(strings.TrimSpace(fmt.Sprintf("%.400s", err.Error())), "")
	for _, secret := range s.secret {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return &problem{fmt.Sprintf("%s: %s: %s%s", s.where, what, text, next), statusOf(err)}
}

// problem is an error for people.
type problem struct {
	text   string
	status int
}

func (p *problem) Error() string { return p.text }

// away says that going on makes no sense: nobody answers, or we are not let in.
func away(err error) bool {
	var p *problem
	return errors.As(err, &p) && (p.status == 0 || p.status >= 500 || p.status == http.StatusUnauthorized || p.status == http.StatusTooManyRequests)
}
