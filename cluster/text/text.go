// Package text owns the cutting of text from outside to the length that there is room
// for, such as messages in the status of an object. It never cuts a character in two, and
// what it returns is valid UTF-8. Start at Clip.
package text

import (
	"strings"
	"unicode/utf8"
)

// Clip s to at most n bytes. Bytes that are no UTF-8 become the replacement character.
func Clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Mark is Clip with an ellipsis where something was cut off.
func Mark(s string, n int) string {
	if short := Clip(s, n); len(short) < len(strings.ToValidUTF8(s, "\uFFFD")) {
		return short + "…"
	}
	return Clip(s, n)
}
