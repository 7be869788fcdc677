package badge

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// The usual colours of badges.
const (
	green  = "#4c1"
	lime   = "#97ca00"
	yellow = "#dfb317"
	orange = "#fe7d37"
	red    = "#e05d44"
	blue   = "#007ec6"
	grey   = "#9f9f9f"
)

func phase(p slipway.Phase) (text, colour string) {
	switch p {
	case slipway.Running:
		return "running", blue
	case slipway.Succeeded:
		return "passed", green
	case slipway.Failed:
		return "failed", red
	case slipway.Canceled:
		return "canceled", grey
	}
	return "pending", grey
}

func covered(percent string) (text, colour string) {
	f, err := strconv.ParseFloat(percent, 64)
	switch {
	case err != nil:
		return "unknown", grey
	case f >= 95:
		colour = green
	case f >= 90:
		colour = lime
	case f >= 75:
		colour = yellow
	case f >= 50:
		colour = orange
	default:
		colour = red
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + "%", colour
}

// width of a text in 11 px Verdana, about; textLength makes it exact.
func width(s string) int {
	tenths := 0
	for _, r := range s {
		switch {
		case strings.ContainsRune("fijlrtI.,:;|!'()[] -", r):
			tenths += 45
		case strings.ContainsRune("mwMW%@", r), r > 0x2e7f:
			tenths += 110
		default:
			tenths += 72
		}
	}
	return tenths / 10
}

// svg of a label and a text, side by side.
func svg(label, text, colour string) []byte {
	l, r := width(label)+10, width(text)+10
	label, text = escape(label), escape(text)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="20" role="img" aria-label="%s: %s"><title>%s: %s</title>`, l+r, label, text, label, text)
	b.WriteString(`<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/></linearGradient>`)
	fmt.Fprintf(&b, `<clipPath id="r"><rect width="%d" height="20" rx="3" fill="#fff"/></clipPath>`, l+r)
	fmt.Fprintf(&b, `<g clip-path="url(#r)"><rect width="%d" height="20" fill="#555"/><rect x="%d" width="%d" height="20" fill="%s"/><rect width="%d" height="20" fill="url(#s)"/></g>`, l, l, r, colour, l+r)
	b.WriteString(`<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">`)
	for _, part := range []struct {
		at, width int
		text      string
	}{{l / 2, l - 10, label}, {l + r/2, r - 10, text}} {
		fmt.Fprintf(&b, `<text x="%d" y="15" fill="#010101" fill-opacity=".3" textLength="%d" aria-hidden="true">%s</text>`, part.at, part.width, part.text)
		fmt.Fprintf(&b, `<text x="%d" y="14" textLength="%d">%s</text>`, part.at, part.width, part.text)
	}
	b.WriteString("</g></svg>\n")
	return b.Bytes()
}

func escape(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "?")
	}
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}
