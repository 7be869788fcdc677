package api

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Alert is one that fires.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	// State: active, or suppressed by a silence or by another alert.
	State      string   `json:"state"`
	SilencedBy []string `json:"silencedBy,omitempty"`
	Inhibited  bool     `json:"inhibited,omitempty"`
}

// Silence keeps the alerts of a namespace that match from being sent.
type Silence struct {
	ID string `json:"id,omitempty"`
	// Matchers, such as alertname=PodCrashLoops, pod=~web-.*, severity!=critical.
	Matchers  []string  `json:"matchers"`
	Comment   string    `json:"comment"`
	CreatedBy string    `json:"createdBy,omitempty"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	// State: active, pending or expired.
	State string `json:"state,omitempty"`
}

// Alerts is what the API asks of the Alertmanager.
type Alerts interface {
	// List what fires in a namespace, of one application where it is not empty.
	List(ctx context.Context, namespace, application string) ([]Alert, error)
	Silences(ctx context.Context, namespace string) ([]Silence, error)
	Silence(ctx context.Context, namespace string, s Silence) (Silence, error)
	Unsilence(ctx context.Context, namespace, id string) error
}

func alertRoutes(ns string) []Route {
	return []Route{
		{"GET", ns + "/alerts", "get", "metrics", "alerts that fire: application", (*server).alerts},
		{"GET", ns + "/silences", "get", "metrics", "silences, also those that are over", (*server).silences},
		{"POST", ns + "/silences", "create", "silences", "silence alerts of the namespace for some time", (*server).silence},
		{"DELETE", ns + "/silences/{name}", "delete", "silences", "end a silence", (*server).unsilence},
	}
}

func (s *server) alerts(w http.ResponseWriter, r *http.Request) error {
	all, err := s.Alerts.List(r.Context(), r.PathValue("ns"), r.URL.Query().Get("application"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": all})
	return nil
}

func (s *server) silences(w http.ResponseWriter, r *http.Request) error {
	all, err := s.Alerts.Silences(r.Context(), r.PathValue("ns"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": all})
	return nil
}

// longestSilence: what is silent for longer should be another rule.
const longestSilence = 90 * 24 * time.Hour

func (s *server) silence(w http.ResponseWriter, r *http.Request) error {
	var in Silence
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	now := time.Now()
	if in.StartsAt.IsZero() {
		in.StartsAt = now
	}
	switch {
	case len(in.Matchers) == 0:
		return refuse(http.StatusBadRequest, "give at least one, such as alertname=PodCrashLoops", "silence: no matchers")
	case in.Comment == "":
		return refuse(http.StatusBadRequest, "say why, for those who look for the alert", "silence: no comment")
	case !in.EndsAt.After(now) || !in.EndsAt.After(in.StartsAt) || in.EndsAt.Sub(in.StartsAt) > longestSilence:
		return refuse(http.StatusBadRequest, "give a time in the future, at most 90 days away", "silence: endsAt %s", in.EndsAt.Format(time.RFC3339))
	}
	for _, m := range in.Matchers {
		if _, _, _, err := ParseMatcher(m); err != nil {
			return err
		}
	}
	u, _ := UserFrom(r.Context())
	in.CreatedBy = u.Name
	out, err := s.Alerts.Silence(r.Context(), r.PathValue("ns"), in)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, out)
	return nil
}

func (s *server) unsilence(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	if err := s.Alerts.Unsilence(r.Context(), r.PathValue("ns"), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

var matcher = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)(=~|!~|!=|=)(.*)$`)

// ParseMatcher reads one matcher of a silence: a label, =, !=, =~ or !~, and a value,
// which may be in quotes.
func ParseMatcher(text string) (label, op, value string, err error) {
	m := matcher.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return "", "", "", refuse(http.StatusBadRequest, "write it as alertname=PodCrashLoops; =, !=, =~ and !~ are known", "matcher %q: not one", text)
	}
	value = m[3]
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	if strings.HasSuffix(m[2], "~") {
		if _, err := regexp.Compile(value); err != nil {
			return "", "", "", refuse(http.StatusBadRequest, err.Error(), "matcher %q: not a regular expression", text)
		}
	}
	return m[1], m[2], value, nil
}
