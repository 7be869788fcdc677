package git

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// longest that another side is believed when it asks for patience.
const longest = 6 * time.Hour

// laterError is the other side's wish to be left alone for a time.
type laterError struct {
	host  string
	until time.Time
}

func (e *laterError) Error() string {
	return fmt.Sprintf("%s wants fewer requests; it is asked again after %s", e.host, e.until.UTC().Format("15:04:05 MST"))
}

// patience is where the transport leaves that wish: go-git hands no error through whole.
type patience struct{ atomic.Pointer[laterError] }

// asksForPatience reads 429 and 503 with their Retry-After, and 403 as GitHub sends it
// when its limit is reached.
func asksForPatience(res *http.Response, now time.Time) *laterError {
	h := res.Header
	until := retryAfter(h.Get("Retry-After"), now)
	switch res.StatusCode {
	case http.StatusTooManyRequests:
		if until.IsZero() {
			until = reset(h.Get("X-Ratelimit-Reset"), now)
		}
		if until.IsZero() {
			until = now.Add(time.Minute)
		}
	case http.StatusServiceUnavailable:
	case http.StatusForbidden:
		if until.IsZero() && h.Get("X-Ratelimit-Remaining") == "0" {
			until = reset(h.Get("X-Ratelimit-Reset"), now)
		}
	default:
		return nil
	}
	if until.IsZero() {
		return nil
	}
	if limit := now.Add(longest); until.After(limit) {
		until = limit
	}
	host := ""
	if res.Request != nil && res.Request.URL != nil {
		host = res.Request.URL.Host
	}
	return &laterError{host: clip(host, 200), until: until}
}

// retryAfter is in seconds or a date.
func retryAfter(text string, now time.Time) time.Time {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && n >= 0 {
		return now.Add(time.Duration(n) * time.Second)
	}
	if t, err := http.ParseTime(text); err == nil && t.After(now) {
		return t
	}
	return time.Time{}
}

// reset is in seconds since 1970.
func reset(text string, now time.Time) time.Time {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if t := time.Unix(n, 0); t.After(now) {
			return t
		}
	}
	return time.Time{}
}
