package gitlab

import (
	"fmt"
	"regexp"
	"strings"
)

// maxBraces bounds how deep {a,{b,c}} goes.
const maxBraces = 10

// compileGlob reads a pattern as Ruby's File.fnmatch does with FNM_PATHNAME,
// FNM_DOTMATCH and FNM_EXTGLOB, which is what GitLab documents for paths: `*` and
// `?` stop at a slash, `**/` is any number of directories, braces are alternatives.
// It becomes a regular expression of RE2, so that no pattern takes long.
func compileGlob(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxGlob {
		return nil, fmt.Errorf("pattern %q is longer than %d bytes", clip(pattern), maxGlob)
	}
	g := globber{in: pattern}
	g.out.WriteString(`(?s)\A`)
	if err := g.read(0); err != nil {
		return nil, err
	}
	g.out.WriteString(`\z`)
	re, err := regexp.Compile(g.out.String())
	if err != nil {
		return nil, fmt.Errorf("pattern %q is not readable: %s", clip(pattern), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}

type globber struct {
	in  string
	at  int
	out strings.Builder
}

// read until the end, or inside braces until a comma or the closing one.
func (g *globber) read(braces int) error {
	for g.at < len(g.in) {
		start := g.at
		c := g.in[g.at]
		g.at++
		switch {
		case c == '*':
			g.star(start)
		case c == '?':
			g.out.WriteString(`[^/]`)
		case c == '[' && g.class():
		case c == '\\' && g.at < len(g.in):
			g.literal(g.at)
			g.at++
		case c == '{' && closes(g.in[g.at:]):
			if braces == maxBraces {
				return fmt.Errorf("pattern %q has braces more than %d deep", clip(g.in), maxBraces)
			}
			g.out.WriteString(`(?:`)
			if err := g.read(braces + 1); err != nil {
				return err
			}
			g.out.WriteString(`)`)
		case c == ',' && braces > 0:
			g.out.WriteString(`|`)
		case c == '}' && braces > 0:
			return nil
		default:
			g.literal(start)
		}
	}
	return nil
}

func (g *globber) literal(i int) {
	if g.in[i] < 0x80 {
		g.out.WriteString(regexp.QuoteMeta(g.in[i : i+1]))
		return
	}
	g.out.WriteByte(g.in[i])
}

// star or, at the begin of a segment, two of them with a slash.
func (g *globber) star(start int) {
	rest := g.in[start:]
	if strings.HasPrefix(rest, "**/") && (start == 0 || strings.IndexByte("/{,", g.in[start-1]) >= 0) {
		for strings.HasPrefix(g.in[start:], "**/") {
			start += 3
		}
		g.at = start
		g.out.WriteString(`(?:[^/]+/)*`)
		return
	}
	for g.at < len(g.in) && g.in[g.at] == '*' {
		g.at++
	}
	g.out.WriteString(`[^/]*`)
}

// class of characters, where it is closed; otherwise the bracket is itself.
func (g *globber) class() bool {
	end := strings.IndexByte(g.in[g.at:], ']')
	if end <= 0 {
		return false
	}
	body := g.in[g.at : g.at+end]
	not := body[0] == '!' || body[0] == '^'
	if not {
		body = body[1:]
	}
	if body == "" {
		return false
	}
	g.at += end + 1
	g.out.WriteString(`[`)
	if not {
		g.out.WriteString(`^/`)
	}
	for i := 0; i < len(body); i++ {
		if strings.IndexByte(`\^[&~`, body[i]) >= 0 {
			g.out.WriteByte('\\')
		}
		g.out.WriteByte(body[i])
	}
	g.out.WriteString(`]`)
	return true
}

// closes says whether the brace that was opened before s is closed in it.
func closes(s string) bool {
	depth := 1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return true
			}
		}
	}
	return false
}
