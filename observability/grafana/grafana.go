package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"
	"golang.org/x/time/rate"
)

// What happens to a dashboard that a person edited in Grafana.
const (
	Keep      = "keep"      // it stays as it is, and is reported
	Overwrite = "overwrite" // ours comes back
)

// Options say which Grafana, and how.
type Options struct {
	// URL of it; below a path where it is served below one.
	URL string
	// CredentialsFile has the token of a service account, or USER:PASSWORD. It is read
	// again for each pass.
	CredentialsFile string
	// CAFile is the authority of its certificate, where it is no public one.
	CAFile string
	// Edits is Keep or Overwrite.
	Edits string
	// StateFile remembers what was written.
	StateFile string
	// Desired is what should be there now.
	Desired func(context.Context) (Desired, error)
	Log     *slog.Logger

	// transport in place of the network, for tests.
	transport http.RoundTripper
}

// Desired is what should be in Grafana.
type Desired struct {
	Folders     []Folder
	DataSources []gapi.DataSource
	Dashboards  []Dashboard
	// Incomplete says that something could not be looked up: nothing is taken away.
	Incomplete bool
}

// Folder of dashboards.
type Folder struct{ UID, Title string }

// Dashboard as it should be, in a folder. Its UID is in place of the one in JSON.
type Dashboard struct {
	UID, Title, Folder string
	JSON               json.RawMessage
}

// uids are what Grafana takes.
var uids = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// Provisioner is one Grafana.
type Provisioner struct {
	Options
	base    string
	trigger chan struct{}

	pace   *rate.Limiter
	passes chan struct{} // one at a time: who has put something in has what follows
	state  state
	saved  time.Time
	looked map[string]time.Time // when dashboards were asked for

	mu     sync.Mutex
	status Status
	cancel context.CancelCauseFunc // of the pass that goes on
}

// Status is how it is.
type Status struct {
	URL string `json:"url"`
	// Removed by a person: nothing is written until a sync is asked for.
	Removed bool `json:"removed,omitempty"`
	// Passed is when a pass went through last, Tried when one was begun last.
	Passed time.Time `json:"passed,omitzero"`
	Tried  time.Time `json:"tried,omitzero"`
	// Problem is why the last one did not go through.
	Problem    string `json:"problem,omitempty"`
	Dashboards int    `json:"dashboards"`
	// Kept are dashboards that people edited, and that were left so.
	Kept []string `json:"kept,omitempty"`
	// Incomplete: something of what should be there could not be looked up; it is asked for
	// again soon, and nothing is taken away meanwhile.
	Incomplete bool `json:"incomplete,omitempty"`
	// Writes of the last pass, and how often it asked.
	Writes   int `json:"writes"`
	Requests int `json:"requests"`
}

// New looks at the options and reads what was written before.
func New(o Options) (*Provisioner, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, errors.New("grafana: want a URL such as https://grafana.example, without credentials")
	}
	if o.Edits != Keep && o.Edits != Overwrite {
		return nil, fmt.Errorf("grafana: edits %q: want %s or %s", o.Edits, Keep, Overwrite)
	}
	p := &Provisioner{Options: o, base: u.String(), trigger: make(chan struct{}, 1), passes: make(chan struct{}, 1), pace: rate.NewLimiter(askRate, askBurst)}
	if err := p.load(); err != nil {
		return nil, err
	}
	p.status = Status{URL: p.base, Removed: p.state.Removed, Dashboards: len(p.state.Dashboards)}
	return p, nil
}

// Status is how it is now.
func (p *Provisioner) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Trigger asks for a pass soon.
func (p *Provisioner) Trigger() {
	select {
	case p.trigger <- struct{}{}:
	default: // one is asked for already
	}
}
