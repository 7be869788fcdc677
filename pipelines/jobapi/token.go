package jobapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Ref names one attempt of one job.
type Ref struct {
	Namespace string `json:"ns"`
	Run       string `json:"run"`
	// Job is its ID in the plan.
	Job     string `json:"job"`
	Attempt int    `json:"n"`
}

func (r Ref) String() string {
	return fmt.Sprintf("%s/%s/%s/%d", r.Namespace, r.Run, r.Job, r.Attempt)
}

// Path of the attempt below the server's address.
func (r Ref) Path() string { return "/api/v1/jobs/" + r.String() }

// MinKey is the shortest key that Tokens accept.
const MinKey = 32

// Tokens makes and checks the tokens of attempts.
type Tokens struct {
	key []byte
	now func() time.Time
}

// NewTokens with a key that only this cluster's servers know.
func NewTokens(key []byte) (*Tokens, error) {
	if len(key) < MinKey {
		return nil, fmt.Errorf("job token key has %d bytes; at least %d are needed", len(key), MinKey)
	}
	return &Tokens{key: key, now: time.Now}, nil
}

type claims struct {
	Ref
	Expires int64 `json:"exp"`
}

// maxToken bounds what is looked at.
const maxToken = 2048

var errToken = errors.New("the token is not valid")

// Issue a token for ref that ends at expires.
func (t *Tokens) Issue(ref Ref, expires time.Time) string {
	payload, err := json.Marshal(claims{Ref: ref, Expires: expires.Unix()})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	body := base64.RawURLEncoding.EncodeToString(payload)
	return body + "." + base64.RawURLEncoding.EncodeToString(t.mac(body))
}

// Check says whose token it is. Every fault gives the same error.
func (t *Tokens) Check(token string) (Ref, error) {
	body, sum, ok := strings.Cut(token, ".")
	if !ok || len(token) > maxToken {
		return Ref{}, errToken
	}
	got, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil || !hmac.Equal(got, t.mac(body)) {
		return Ref{}, errToken
	}
	payload, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return Ref{}, errToken
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil || t.now().Unix() >= c.Expires {
		return Ref{}, errToken
	}
	return c.Ref, nil
}

func (t *Tokens) mac(body string) []byte {
	h := hmac.New(sha256.New, t.key)
	h.Write([]byte("slipway job token\x00"))
	h.Write([]byte(body))
	return h.Sum(nil)
}
