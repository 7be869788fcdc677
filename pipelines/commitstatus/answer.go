package commitstatus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// result is what an answer means.
type result int

const (
	taken result = iota
	// later: the forge has trouble or wants less; it is asked again soon.
	later
	// refused: nothing changes until a person does something; it is asked again seldom.
	refused
	// refusedOne is refused for this commit only.
	refusedOne
)

// verdict on an answer.
type verdict struct {
	result result
	// wait is what the forge asks for, 0 where it does not.
	wait time.Duration
	// reason and message are for the condition; the message says what to do.
	reason, message string
}

// maxWait that a forge is granted.
const maxWait = 2 * time.Hour

// maxBody of an answer that is read.
const maxBody = 64 << 10

// judge the answer of the forge. It has no secret in what it says.
func (t Target) judge(code int, h http.Header, body []byte, token string, now time.Time) verdict {
	v := verdict{wait: asked(h, now)}
	said := says(body, token)
	where := t.API.Host
	switch {
	case code == http.StatusOK || code == http.StatusCreated || code == http.StatusNoContent && t.Kind == Bitbucket:
		v.wait = exhausted(h, now) // the next one waits
		return v
	case code == http.StatusBadRequest && t.Kind == GitLab && strings.Contains(said, "Cannot transition status"):
		// GitLab refuses to set the state that it has.
		return verdict{}
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && (v.wait > 0 || limited(said)):
		v.result, v.reason = later, "RateLimited"
		v.wait = max(v.wait, time.Minute)
		v.message = fmt.Sprintf("%s takes no more requests for now (%d%s); it is asked again in %s", where, code, said, v.wait.Round(time.Second))
	case code == http.StatusRequestTimeout, code >= 500:
		v.result, v.reason = later, "Unreachable"
		v.message = fmt.Sprintf("%s has trouble (%d%s); it is asked again by itself", where, code, said)
	case code >= 300 && code < 400:
		v.result, v.reason = refused, "Moved"
		v.message = fmt.Sprintf("%s answers that the project is elsewhere (%d); set spec.forge.api and spec.forge.project to the new address", where, code)
	case code == http.StatusUnauthorized:
		v.result, v.reason = refused, "Unauthorized"
		v.message = fmt.Sprintf("%s refuses the token (%d%s); put a valid one into the Secret that spec.forge.tokenSecret names", where, code, said)
	case code == http.StatusForbidden:
		v.result, v.reason = refused, "Forbidden"
		v.message = fmt.Sprintf("%s: the token may not write statuses of %s (%d%s); give it %s", where, t.Project, code, said, scopes[t.Kind])
	case code == http.StatusNotFound:
		v.result, v.reason = refusedOne, "NotFound"
		v.message = fmt.Sprintf("%s has no project %s with this commit, or does not show it to this token (%d%s); correct spec.forge.project or give the token %s", where, t.Project, code, said, scopes[t.Kind])
	default:
		v.result, v.reason = refusedOne, "Refused"
		v.message = fmt.Sprintf("%s refuses the status of a commit of %s (%d%s); see that it has this commit and that spec.forge.kind is right", where, t.Project, code, said)
	}
	return v
}

// scopes that a token needs.
var scopes = map[string]string{
	GitHub:    "the permission \"Commit statuses: write\" (classic: repo:status)",
	GitLab:    "the scope api and the role Developer",
	Gitea:     "the scope write:repository and write access to it",
	Bitbucket: "the permissions \"Repositories: Write\" and \"Pull requests: Read\" (Data Center: \"Repository write\")",
}

// asked is how long the forge wants to be left alone.
func asked(h http.Header, now time.Time) time.Duration {
	if d := retryAfter(h.Get("Retry-After"), now); d > 0 {
		return d
	}
	return exhausted(h, now)
}

func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return bounded(n, 0)
	}
	if at, err := http.ParseTime(s); err == nil {
		return bounded(at.Unix(), now.Unix())
	}
	return 0
}

// exhausted is how long until there are requests again, where none is left.
func exhausted(h http.Header, now time.Time) time.Duration {
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} { // GitHub and Gitea, GitLab
		if h.Get(prefix+"Remaining") != "0" {
			continue
		}
		if at, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64); err == nil {
			return bounded(at, now.Unix())
		}
	}
	return 0
}

// bounded seconds from one time to another.
func bounded(to, from int64) time.Duration {
	switch most := int64(maxWait / time.Second); {
	case to <= from:
		return 0
	case to-from > most || to-from < 0:
		return maxWait
	}
	return time.Duration(to-from) * time.Second
}

// limited says whether a 403 means that there were too many requests.
func limited(said string) bool { return strings.Contains(strings.ToLower(said), "rate limit") }

// says is what the body of a refusal gives as its reason, such as `: Bad credentials`.
func says(body []byte, token string) string {
	type object struct {
		Message json.RawMessage `json:"message"`
	}
	var m struct {
		object
		Error  json.RawMessage `json:"error"`
		Errors []object        `json:"errors"`
	}
	if json.Unmarshal(body, &m) != nil {
		return ""
	}
	raw, inner := m.Message, object{}
	switch {
	case len(raw) > 0:
	case len(m.Errors) > 0: // Bitbucket Data Center
		raw = m.Errors[0].Message
	case json.Unmarshal(m.Error, &inner) == nil && len(inner.Message) > 0: // Bitbucket Cloud
		raw = inner.Message
	default:
		raw = m.Error
	}
	text := string(raw)
	var s string
	if json.Unmarshal(raw, &s) == nil {
		text = s
	}
	if _, password, ok := strings.Cut(token, ":"); ok {
		token = password // what names it is no secret
	}
	if token != "" {
		text = strings.ReplaceAll(text, token, "[MASKED]")
	}
	if text = clip(text, 200); text == "" {
		return ""
	}
	return ": " + text
}
