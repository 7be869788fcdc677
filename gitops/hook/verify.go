package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// tolerance is how far the time of a signed delivery may be from ours.
const tolerance = 5 * time.Minute

// verifier says whether a delivery was made by who has the secret. It takes the same
// time whatever it was given.
type verifier func(secret, body []byte, h http.Header, now time.Time) bool

// signature is a header that has one, behind a prefix.
type signature struct{ header, prefix string }

// signed takes the first of the headers that is there: the HMAC-SHA256 of the body in
// hexadecimal digits behind the prefix. A wrong one is not made good by another.
func signed(where ...signature) verifier {
	return func(secret, body []byte, h http.Header, _ time.Time) bool {
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		var got [sha256.Size]byte
		form := false
		for _, s := range where {
			if values := h.Values(s.header); len(values) > 0 {
				form = len(values) == 1 && unhex(&got, values[0], s.prefix)
				break
			}
		}
		return hmac.Equal(got[:], mac.Sum(nil)) && form
	}
}

func unhex(to *[sha256.Size]byte, value, prefix string) bool {
	text, ok := strings.CutPrefix(value, prefix)
	if !ok || len(text) != 2*sha256.Size {
		return false
	}
	_, err := hex.Decode(to[:], []byte(text))
	return err == nil
}

// signingPrefix begins a secret that is made for Standard Webhooks.
const signingPrefix = "whsec_"

// gitlabSigned is Standard Webhooks where the secret is one for it; else GitLab's
// token, which it sends as it is.
func gitlabSigned(secret, body []byte, h http.Header, now time.Time) bool {
	token := h.Values("X-Gitlab-Token")
	sent, ours := sha256.Sum256([]byte(strings.Join(token, "\x00"))), sha256.Sum256(secret)
	same := subtle.ConstantTimeCompare(sent[:], ours[:]) == 1 && len(token) == 1
	standard := standardSigned(secret, body, h, now)
	if strings.HasPrefix(string(secret), signingPrefix) {
		return standard
	}
	return same || standard
}

// standardSigned checks webhook-signature over "<webhook-id>.<webhook-timestamp>.<body>".
func standardSigned(secret, body []byte, h http.Header, now time.Time) bool {
	key := secret
	if text, ok := strings.CutPrefix(string(secret), signingPrefix); ok {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return false // a secret that nobody can sign with
		}
		key = decoded
	}
	id, at := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	want := mac.Sum(nil)
	good := false
	for i, one := range strings.Fields(h.Get("Webhook-Signature")) {
		text, ok := strings.CutPrefix(one, "v1,")
		if got, err := base64.StdEncoding.DecodeString(text); ok && err == nil && i < maxSignatures {
			good = hmac.Equal(got, want) || good
		}
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	age := now.Sub(time.Unix(seconds, 0))
	return good && err == nil && id != "" && age < tolerance && age > -tolerance
}

// maxSignatures of one delivery: two while a secret is being changed.
const maxSignatures = 8
