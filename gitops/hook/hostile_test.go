package hook

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Threat 8: webhook bodies with missing fields, wrong types, short signatures, of 1 GB,
// repeated, and for the wrong tenant, of each forge and event.

// acts is how many deliveries there are for which a repository would be looked at.
func acts(h *Handler) int {
	waits, err := h.Spool.pending(0, 1000)
	if err != nil {
		panic(err)
	}
	return len(waits)
}

func TestSignatures(t *testing.T) {
	h := newHandler(t, t.TempDir())
	for _, c := range events {
		s := senders[c.forge]
		good := s.make(t, c.event, c.file, "one")
		for name, spoil := range map[string]func(r *sent){
			"unsigned": func(r *sent) { dropSignatures(r, func(string) string { return "" }) },
			"short":    func(r *sent) { dropSignatures(r, func(v string) string { return v[:len(v)/2] }) },
			"long":     func(r *sent) { dropSignatures(r, func(v string) string { return v + "00" }) },
			"not hex":  func(r *sent) { dropSignatures(r, func(v string) string { return strings.Repeat("z", len(v)) }) },
			"of another key": func(r *sent) {
				s.resign(r, "not the key")
			},
			"of another body": func(r *sent) {
				if c.forge == "gitlab" {
					r.headers["X-Gitlab-Token"] = "x" // it does not sign
				}
				r.body = append(slices.Clone(r.body), ' ')
			},
		} {
			r := sent{kind: good.kind, repo: good.repo, body: good.body, headers: maps.Clone(good.headers)}
			spoil(&r)
			if w := r.to(h, "default"); w.Code != http.StatusUnauthorized {
				t.Errorf("%s/%s, %s: %d %s", c.forge, c.file, name, w.Code, w.Body)
			}
		}
		// The same signature twice is none.
		req := httptest.NewRequest(http.MethodPost, "/hooks/"+good.kind+"/default/"+good.repo, strings.NewReader(string(good.body)))
		for k, v := range good.headers {
			req.Header.Add(k, v)
			if signatureHeader(k) {
				req.Header.Add(k, v)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != http.StatusUnauthorized && c.forge != "gitlab-signed" { // which has lists of them
			t.Errorf("%s/%s, two: %d", c.forge, c.file, w.Code)
		}
	}
	if n := acts(h); n != 1 { // of gitlab-signed above, and its repetition
		t.Errorf("%d deliveries wait", n)
	}
}

func signatureHeader(k string) bool {
	return strings.Contains(k, "Signature") || k == "X-Gitlab-Token"
}

func dropSignatures(r *sent, f func(string) string) {
	for k, v := range r.headers {
		if !signatureHeader(k) {
			continue
		}
		if v = f(v); v == "" {
			delete(r.headers, k)
		} else {
			r.headers[k] = v
		}
	}
}

func TestWrongTenantOrRepository(t *testing.T) {
	h := newHandler(t, t.TempDir())
	for _, c := range events {
		s := senders[c.forge]
		r := s.make(t, c.event, c.file, "one")
		r.repo = "shop"
		if w := r.to(h, "team"); w.Code != http.StatusUnauthorized {
			t.Errorf("%s/%s at another tenant's: %d %s", c.forge, c.file, w.Code, w.Body)
		}
		r.repo = "other" // with the same secret
		w := r.to(h, "default")
		want := http.StatusForbidden
		if c.forge == "generic" || c.want.Kind == Ping && c.forge == "bitbucket-dc" || c.want.Kind == "" && !strings.Contains(c.file, "create") && !strings.Contains(c.file, "labeled") && c.file != "approved" {
			want = http.StatusAccepted // it names no repository, or is not read so far
		}
		if w.Code != want {
			t.Errorf("%s/%s at another repository: %d %s", c.forge, c.file, w.Code, w.Body)
		}
	}
	if n := acts(h); n != 1 { // the generic one
		t.Errorf("%d deliveries wait", n)
	}
	list, err := h.Spool.List("default", "other")
	if err != nil || len(list) == 0 || !slices.ContainsFunc(list, func(d Delivery) bool { return d.Outcome == Refused && strings.Contains(d.Message, "acme") }) {
		t.Errorf("refusals were not kept: %v", err)
	}
}

func TestMissingFieldsAndWrongTypes(t *testing.T) {
	for _, c := range events {
		s := senders[c.forge]
		h := newHandler(t, t.TempDir())
		h.Spool.db.NoSync, h.Spool.db.MaxBatchDelay = true, 0
		good := s.make(t, c.event, c.file, "one")
		tries := 0
		try := func(what string, body []byte) int {
			r := sent{kind: good.kind, repo: good.repo, body: body, headers: maps.Clone(good.headers)}
			tries++
			r.headers[s.id] = strconv.Itoa(tries)
			s.resign(&r, key)
			w := r.to(h, "default")
			if w.Code != http.StatusAccepted && w.Code != http.StatusBadRequest && w.Code != http.StatusForbidden {
				t.Errorf("%s/%s %s: %d %s", c.forge, c.file, what, w.Code, w.Body)
			}
			return w.Code
		}
		acting := c.want.Kind != "" && c.want.Kind != Ping && c.forge != "generic"
		for _, body := range []string{"", "{", "null", "[]", "1", `""`, "{}", strings.Repeat("[", 20000)} {
			if code := try(body[:min(len(body), 5)], []byte(body)); acting && code != http.StatusBadRequest {
				t.Errorf("%s/%s as %.5q: %d", c.forge, c.file, body, code)
			}
		}
		var tree any
		if err := json.Unmarshal(good.body, &tree); err != nil {
			t.Fatal(err)
		}
		for _, path := range paths(tree, nil, 3) {
			for what, change := range map[string]any{"gone": nil, "a number": -1e300, "a list": []any{map[string]any{}}, "text": "x\x00\u202e<script>", "an object": map[string]any{"id": "x"}} {
				body, err := json.Marshal(with(tree, path, change, what == "gone"))
				if err != nil {
					t.Fatal(err)
				}
				try(strings.Join(path, ".")+" is "+what, body)
			}
		}
	}
}

// paths of all fields down to a depth.
func paths(v any, at []string, depth int) (out [][]string) {
	m, ok := v.(map[string]any)
	if !ok || depth == 0 {
		return nil
	}
	for k, x := range m {
		p := append(slices.Clone(at), k)
		out = append(append(out, p), paths(x, p, depth-1)...)
	}
	return out
}

// with is the tree with another value, or none, at the path.
func with(v any, path []string, value any, drop bool) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, x := range m {
		out[k] = x
	}
	switch {
	case len(path) > 1:
		out[path[0]] = with(out[path[0]], path[1:], value, drop)
	case drop:
		delete(out, path[0])
	default:
		out[path[0]] = value
	}
	return out
}

func TestOneGigabyte(t *testing.T) {
	h := newHandler(t, t.TempDir())
	for _, c := range events {
		s := senders[c.forge]
		r := s.make(t, c.event, c.file, "one")
		for _, length := range []int64{1 << 30, -1} { // told before, and not
			body := &readCounter{}
			req := httptest.NewRequest(http.MethodPost, "/hooks/"+r.kind+"/default/"+r.repo, body)
			req.ContentLength = length
			for k, v := range r.headers {
				req.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != http.StatusRequestEntityTooLarge {
				t.Errorf("%s/%s: %d", c.forge, c.file, w.Code)
			}
			if limit := int64(2 * MaxBody); body.n > limit || length > 0 && body.n > 0 {
				t.Errorf("%s/%s: %d bytes were read", c.forge, c.file, body.n)
			}
		}
	}
	if h.bodies.used != 0 {
		t.Errorf("%d bytes are still held", h.bodies.used)
	}
}

// TestManyLargeBodies: what is read before the signature is known has a bound.
func TestManyLargeBodies(t *testing.T) {
	h := newHandler(t, t.TempDir())
	if !h.bodies.take(maxBodies) {
		t.Fatal("no room")
	}
	post := func(n int) int {
		req := httptest.NewRequest(http.MethodPost, "/hooks/github/shop", strings.NewReader(strings.Repeat("x", n)))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
			t.Error("no word of when to come again")
		}
		return w.Code
	}
	if code := post(1 << 20); code != http.StatusServiceUnavailable {
		t.Errorf("a large one: %d", code)
	}
	if code := post(50 << 10); code != http.StatusUnauthorized {
		t.Errorf("a small one: %d", code)
	}
	h.bodies.used = 0
	if code := post(1 << 20); code != http.StatusUnauthorized || h.bodies.used != 0 {
		t.Errorf("a large one with room: %d, %d held", code, h.bodies.used)
	}
}
