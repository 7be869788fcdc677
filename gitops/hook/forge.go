package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// forge is what one kind of forge sends, and how.
type forge struct {
	// verify a delivery; how is told to who is refused.
	verify verifier
	how    string
	// event headers, the first that is there names the event.
	event []string
	// ids are headers that are the same when, and only when, a delivery is repeated.
	ids []string
	// parse what the event of the name says.
	parse func(name string, body []byte) (Event, error)
	// form: the body may be a form with the field "payload".
	form bool
	// loose: a body that is not said to be JSON says nothing, and is taken.
	loose bool
}

// forges by the kind that a webhook's address has: /hooks/<kind>/...
var forges = map[string]*forge{
	"github": {
		verify: signed(signature{"X-Hub-Signature-256", "sha256="}), how: "set the repository's webhook secret as the secret of the hook at GitHub",
		event: []string{"X-Github-Event"}, ids: []string{"X-Github-Delivery"}, parse: parseGitHub, form: true,
	},
	"gitlab": {
		verify: gitlabSigned, how: "set the repository's webhook secret as the secret token, or the signing token, of the hook at GitLab",
		event: []string{"X-Gitlab-Event"}, ids: []string{"Webhook-Id", "Idempotency-Key"}, parse: parseGitLab,
	},
	"gitea":   giteaForge("Gitea", "X-Gitea-"),
	"forgejo": giteaForge("Forgejo", "X-Forgejo-", "X-Gitea-"),
	"bitbucket": {
		verify: signed(signature{"X-Hub-Signature", "sha256="}), how: "set the repository's webhook secret as the secret of the hook at Bitbucket",
		event: []string{"X-Event-Key"}, ids: []string{"X-Request-Uuid", "X-Request-Id"}, parse: parseBitbucket,
	},
	"generic": {
		verify: signed(signature{"X-Signature", "sha256="}), how: "sign the body with the repository's webhook secret: X-Signature: sha256=<hex HMAC-SHA256>",
		ids: []string{"X-Delivery-Id", "X-Request-Id"}, parse: parseGeneric, loose: true,
	},
}

// Kinds of forges that have an address here.
func Kinds() []string {
	var out []string
	for k := range forges {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// errMalformed is wrapped when a verified body is not what its event promises.
var errMalformed = errors.New("the body is not of the documented form")

func missing(what string) error { return fmt.Errorf("%w: it lacks %s", errMalformed, what) }

// decode a body. The error names the field and the type, never the value.
func decode(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: %s is a %s", errMalformed, oneLine(wrong.Field, 100), wrong.Value)
	case err != nil:
		return fmt.Errorf("%w: no JSON object", errMalformed)
	}
	return nil
}

func ignored(name, why string) Event { return Event{Name: name, Ignored: why} }

// header is the first of the names that h has, as one line.
func header(h http.Header, names []string) string {
	for _, n := range names {
		if v := h.Get(n); v != "" {
			return oneLine(v, 200)
		}
	}
	return ""
}

// when reads the times of forges; the zero time where there is none.
func when(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 MST", "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

// sameProject says whether what a forge calls a project is what the path of a clone URL
// names: it is its end, as some have "scm/" or a path of the server before it.
func sameProject(said, path string) bool {
	trim := func(s string) string { return strings.ToLower(strings.TrimSuffix(strings.Trim(s, "/"), ".git")) }
	said, path = trim(said), trim(path)
	return said != "" && (said == path || strings.HasSuffix(path, "/"+said))
}
