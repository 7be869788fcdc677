package runjob

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"slices"
)

const (
	// minForm is the shortest encoded form or line of a secret that is masked.
	minForm = 8
	// wrapped is where programs break lines of base64.
	wrapped = 76
)

// forms are the ways in which a secret may appear in a log: as it is, each of its
// lines, in base64 (alone, within a longer text, broken into lines), and in a URL.
func forms(secret []byte) [][]byte {
	out := [][]byte{secret}
	add := func(b []byte) {
		if len(b) >= minForm {
			out = append(out, b)
		}
	}
	if t := bytes.TrimSpace(secret); len(t) != len(secret) && len(t) >= minMask {
		out = append(out, t)
	}
	if bytes.ContainsAny(secret, "\r\n") {
		for line := range bytes.SplitSeq(secret, []byte("\n")) {
			add(bytes.TrimSpace(line))
		}
	}
	add([]byte(base64.StdEncoding.EncodeToString(secret)))
	add([]byte(base64.URLEncoding.EncodeToString(secret)))
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			// The characters that hold bits of what is around the secret are left out.
			text := enc.EncodeToString(append(make([]byte, shift), secret...))
			first := (shift*8 + 5) / 6
			last := (shift + len(secret)) * 8 / 6
			if first < last {
				add([]byte(text[first:last]))
			}
			if shift == 0 {
				for chunk := range slices.Chunk([]byte(text[:last]), wrapped) {
					add(chunk)
				}
			}
		}
	}
	for _, s := range []string{url.QueryEscape(string(secret)), url.PathEscape(string(secret))} {
		if s != string(secret) {
			add([]byte(s))
		}
	}
	return out
}
