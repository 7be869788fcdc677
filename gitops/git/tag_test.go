package git

import (
	"strings"
	"testing"
)

func TestTagMessage(t *testing.T) {
	b := newBench(t)
	c := b.commit("w", "a", "a\n")
	b.git("w", "tag", "light")
	b.git("w", "tag", "-a", "v1", "-m", "The first\n\nwith notes")
	b.git("w", "tag", "-a", "v1-again", "-m", "Of a tag", "v1")
	b.git("w", "tag", "-a", "signed", "-m", "Signed\n-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----")
	b.git("w", "tag", "-a", "long", "-m", strings.Repeat("x", maxTagMessage+10))
	b.git("w", "push", "-q", b.url("w"), "main", "--tags")
	for _, tt := range []struct{ tag, commit, want string }{
		{"v1", c, "The first\n\nwith notes"}, {"light", c, ""}, {"v1-again", c, "Of a tag"}, {"signed", c, "Signed"},
		{"v1", strings.Repeat("a", 40), ""}, {"gone", c, ""}, {"../heads/main", c, ""}, {"-x", c, ""},
	} {
		if got, err := b.host.Store.TagMessage(t.Context(), "default", "w", tt.tag, tt.commit); err != nil || got != tt.want {
			t.Errorf("%s at %.8s: %q %v, want %q", tt.tag, tt.commit, got, err, tt.want)
		}
	}
	if got, err := b.host.Store.TagMessage(t.Context(), "default", "w", "long", c); err != nil || len(got) > maxTagMessage+3 || len(got) < maxTagMessage-3 {
		t.Errorf("a long message: %d bytes, %v", len(got), err)
	}
}
