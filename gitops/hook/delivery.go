package hook

import (
	"encoding/binary"
	"net/http"
	"time"
)

// Delivery is one webhook that was verified, and what came of it.
type Delivery struct {
	// Number by which people name it; it is unique in this server.
	Number     uint64 `json:"number"`
	Namespace  string `json:"namespace"`
	Repository string `json:"repository"`
	// Forge is the kind that its address had.
	Forge string `json:"forge"`
	// ID is the forge's own, or made from the body where it gave none.
	ID    string `json:"id"`
	Event Event  `json:"event"`
	// Headers without those that prove who sent it.
	Headers map[string]string `json:"headers,omitempty"`
	// Size of the body, of which the first part is kept.
	Size      int       `json:"size"`
	Truncated bool      `json:"truncated,omitempty"`
	Received  time.Time `json:"received"`
	// Outcome is empty while it waits: done, ignored, refused, failed.
	Outcome string `json:"outcome,omitempty"`
	// Message says what was done, or why nothing was.
	Message string     `json:"message,omitempty"`
	Handled *time.Time `json:"handled,omitempty"`
	// Attempts that failed so far.
	Attempts int `json:"attempts,omitempty"`
	// Of is the delivery that somebody (By) had acted on again with this one.
	Of uint64 `json:"of,omitempty"`
	By string `json:"by,omitempty"`
}

// The outcomes of deliveries.
const (
	Done    = "done"
	Ignored = "ignored"
	Refused = "refused"
	Failed  = "failed"
)

// scope is the first part of every key that is about one repository.
func scope(ns, repo string) string { return ns + "/" + repo + "\x00" }

// key by which a repetition is known.
func (d *Delivery) key() []byte {
	return []byte(scope(d.Namespace, d.Repository) + d.Forge + "\x00" + d.ID)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// kept are the headers that are worth looking at later. Signatures, tokens, cookies and
// credentials are not among them.
var kept = []string{
	"Content-Type", "User-Agent",
	"X-Github-Event", "X-Github-Delivery", "X-Github-Hook-Id", "X-Github-Enterprise-Host",
	"X-Gitlab-Event", "X-Gitlab-Event-Uuid", "X-Gitlab-Webhook-Uuid", "X-Gitlab-Instance", "Idempotency-Key", "Webhook-Id", "Webhook-Timestamp",
	"X-Gitea-Event", "X-Gitea-Event-Type", "X-Gitea-Delivery", "X-Forgejo-Event", "X-Forgejo-Event-Type", "X-Forgejo-Delivery",
	"X-Event-Key", "X-Request-Uuid", "X-Request-Id", "X-Hook-Uuid", "X-Attempt-Number", "X-Delivery-Id",
}

func headers(h http.Header) map[string]string {
	out := map[string]string{}
	for _, name := range kept {
		if v := h.Get(name); v != "" {
			out[name] = oneLine(v, 300)
		}
	}
	return out
}
