package outside

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for address, want := range map[string]struct{ public, private bool }{
		"192.0.2.7:443":               {true, true},
		"[2001:db8::1]:443":           {true, true},
		"10.0.0.1:80":                 {false, true},
		"127.0.0.1:80":                {false, true},
		"[::1]:80":                    {false, true},
		"[::ffff:10.0.0.1]:80":        {false, true},
		"100.64.1.1:80":               {false, true},
		"198.18.0.1:80":               {false, true},
		"[64:ff9b::a00:1]:80":         {false, true},
		"[2002:a00:1::]:80":           {false, true},
		"169.254.169.254:80":          {false, false},
		"[::ffff:169.254.169.254]:80": {false, false},
		"[fe80::1]:80":                {false, false},
		"[fd00:ec2::254]:80":          {false, false},
		"100.100.100.200:80":          {false, false},
		"0.0.0.0:80":                  {false, false},
		"224.0.0.1:80":                {false, false},
		"localhost:80":                {false, false},
	} {
		for _, g := range []Guard{{}, {Private: true}} {
			err := g.Check("tcp", address, nil)
			if ok := map[bool]bool{false: want.public, true: want.private}[g.Private]; (err == nil) != ok {
				t.Errorf("%s with private=%v: %v", address, g.Private, err)
			}
			if err != nil && !errors.Is(err, ErrAddress) {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
}

// Threat 5: a redirect to an address inside is looked at when it is dialled, and a name
// that resolves to one too.
func TestDialChecks(t *testing.T) {
	meta := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest", http.StatusFound))
	defer meta.Close()
	_, err := Guard{Private: true}.HTTP().Get(meta.URL)
	if err == nil || !errors.Is(err, ErrAddress) {
		t.Errorf("redirect to link-local: %v", err)
	}
	_, err = Guard{}.HTTP().Get(strings.Replace(meta.URL, "127.0.0.1", "localhost", 1))
	if err == nil || !errors.Is(err, ErrAddress) {
		t.Errorf("name of an address inside: %v", err)
	}
	if _, err := (Guard{}).Dial(context.Background(), "tcp", "127.0.0.1:1"); !errors.Is(err, ErrAddress) {
		t.Errorf("dial: %v", err)
	}
}

// Threat 6: what is meant for one host does not follow a redirect to another.
func TestCredentialsStayWithTheirHost(t *testing.T) {
	var seen string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("Authorization") }))
	defer other.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/same", http.StatusFound)
			return
		}
		if r.Header.Get("Authorization") != "Bearer planted" {
			t.Error("lost on the way within one host")
		}
		http.Redirect(w, r, other.URL, http.StatusFound)
	}))
	defer first.Close()
	req, _ := http.NewRequest("GET", first.URL, nil)
	req.Header.Set("Authorization", "Bearer planted")
	res, err := Guard{Private: true}.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if seen != "" {
		t.Errorf("the other host was sent %q", seen)
	}
}

func TestRedirectRules(t *testing.T) {
	request := func(url string) *http.Request {
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	via := []*http.Request{request("https://a.example/")}
	for url, ok := range map[string]bool{"https://b.example/": true, "http://a.example/": false, "ftp://a.example/": false} {
		if err := Redirect(request(url), via); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
	if Redirect(request("https://b.example/"), []*http.Request{via[0], via[0], via[0], via[0], via[0], via[0]}) == nil {
		t.Error("a sixth redirect was followed")
	}
}
