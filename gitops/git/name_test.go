package git

import (
	"bufio"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, ok := range []string{"a", "shop", "my-app-2", strings.Repeat("a", MaxName)} {
		if err := ValidName(ok); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "..", "-a", "a-", "A", "Shop", "a.b", "a_b", "a/b", "../a", "a\x00", "a\r", "a\n", "a.git", "ä", "%2e%2e", strings.Repeat("a", MaxName+1)} {
		if ValidName(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestPaths(t *testing.T) {
	for in, want := range map[string]route{
		"/git/shop.git/info/refs":                {"default", "shop", "info/refs"},
		"/git/team/shop.git/git-upload-pack":     {"team", "shop", "git-upload-pack"},
		"/git/default/shop.git/git-receive-pack": {"default", "shop", "git-receive-pack"},
	} {
		if got, err := parsePath(in, "default"); err != nil || got != want {
			t.Errorf("%s: %v %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "/", "/git/", "/git/shop/info/refs", "/git/shop.git", "/git/shop.git/HEAD", "/git/shop.git/objects/info/packs",
		"/git/../shop.git/info/refs", "/git/%2e%2e/shop.git/info/refs", "/git/a/b/shop.git/info/refs", "/git/Shop.git/info/refs",
		"/git/shop.git//info/refs", "/git/shop.git.git/info/refs", "/git/.git/info/refs", "/git/shop%00.git/info/refs"} {
		if r, err := parsePath(bad, "default"); err == nil {
			t.Errorf("%s was taken as %v", bad, r)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/git/shop.git/info/refs", "/git/a/b.git/git-upload-pack", "/git/../a.git/info/refs", "/git/%2e.git/info/refs", "/git/-.git/x"} {
		f.Add(s)
	}
	s := &Store{Dir: "/data/git"}
	f.Fuzz(func(t *testing.T, in string) {
		r, err := parsePath(in, "default")
		if err != nil {
			return
		}
		p, err := s.path(r.ns, r.name)
		if err != nil || filepath.Clean(p) != p || !strings.HasPrefix(p, "/data/git/") || strings.Count(p, "/") != 4 || strings.ToLower(p) != p {
			t.Fatalf("%q became %q", in, p)
		}
	})
}

func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"a/b", "./a", "../a", "/a", "a/../b", "a/", ".", "", "a\x00", "a/./b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		p, err := cleanPath(in)
		if err == nil && p != "" && !filepath.IsLocal(p) {
			t.Fatalf("%q became %q", in, p)
		}
	})
}

func FuzzReadPush(f *testing.F) {
	f.Add([]byte(pkt(zeroHash+" "+strings.Repeat("a", 40)+" refs/heads/main\x00 report-status side-band-64k atomic") + flushPkt + "PACK"))
	f.Add([]byte("0000"))
	f.Add([]byte("zzzz"))
	f.Add([]byte("0003"))
	f.Add([]byte(pkt("shallow "+zeroHash) + flushPkt))
	f.Add([]byte(pkt(zeroHash+" "+strings.Repeat("a", 40)+" refs/heads/a\x00 report-status push-options") + pkt(strings.Repeat("a", 40)+" "+zeroHash+" refs/heads/main\x00 x") + flushPkt + pkt("ci.skip") + flushPkt))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(strings.NewReader(string(in)))
		p, err := readPush(r)
		if err != nil {
			return
		}
		for _, c := range p.commands {
			if strings.Contains(c.ref, "\x00") {
				t.Fatalf("git reads another name than %q", c.ref)
			}
		}
		rest, _ := io.ReadAll(r)
		// What git reads must be what we judged: the same bytes, but for the case of
		// the length digits.
		if !strings.EqualFold(string(p.raw)+string(rest), string(in)) {
			t.Fatalf("%q was passed on as %q", in, string(p.raw)+string(rest))
		}
		p.refusal("no")
	})
}

func FuzzRelayReport(f *testing.F) {
	f.Add([]byte(pkt("\x02hello\n") + pkt("\x01"+pkt("unpack ok\n")+flushPkt) + flushPkt))
	f.Add([]byte(pkt("unpack ok\n") + pkt("ok refs/heads/main\n") + flushPkt))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		called := 0
		_ = relayReport(io.Discard, strings.NewReader(string(in)), func() []string { called++; return []string{"x\x00y"} })
		if called != 1 {
			t.Fatalf("recorded %d times", called)
		}
	})
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"https://example.org/a.git", "ssh://git@example.org/a", "ext::sh -c x", "--upload-pack=x", "-oProxyCommand=x",
		"ssh://-oProxyCommand=x/a", "file:///etc", "https://u:p@h/x", "git@github.com:a/b", "http://[::1]/x", "ssh://h/-x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		u, err := Remote{}.ParseURL(in)
		if err != nil {
			return
		}
		if u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh" || u.Hostname() == "" || u.Hostname()[0] == '-' {
			t.Fatalf("%q was taken", in)
		}
	})
}
