package coverage

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of what is read and kept.
const (
	MaxBytes = 256 << 20 // of one file
	maxTag   = 64 << 10
	maxDepth = 100
	maxFiles = 20_000
	maxLines = 2_000_000
	maxPath  = 1024
)

// Reader of any number of files into one report: a line counts as covered where one of
// them says so.
type Reader struct {
	// Project is the directory that the sources were in; paths below it are relative.
	Project string
	builder builder
}

// Read one file of either format.
func (r *Reader) Read(in io.Reader) error {
	if r.builder.files == nil {
		r.builder.files = map[string]map[int]bool{}
	}
	d := xml.NewDecoder(&bounded{in: in})
	// Files say that they are in all kinds of character sets; names are ASCII in most.
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	d.Strict = false
	p := parser{Reader: r}
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			if p.format == "" {
				return errors.New("no <coverage> of Cobertura and no <report> of JaCoCo")
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(p.open) == maxDepth {
				return fmt.Errorf("elements nested more than %d deep", maxDepth)
			}
			p.open = append(p.open, t.Name.Local)
			if err := p.start(&t); err != nil {
				return err
			}
		case xml.EndElement:
			if n := len(p.open); n > 0 {
				p.open = p.open[:n-1]
			}
			p.end(t.Name.Local)
		case xml.CharData:
			if p.inSource && len(p.source)+len(t) <= maxPath {
				p.source += string(t)
			}
		}
	}
}

// Report of all that was read.
func (r *Reader) Report() *Report { return r.builder.report() }

type parser struct {
	*Reader
	format    string
	open      []string
	inSource  bool
	source    string
	sources   []string
	pkg, file string
}

const (
	cobertura = "coverage"
	jacoco    = "report"
)

func attribute(t *xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (p *parser) start(t *xml.StartElement) error {
	name := t.Name.Local
	if len(p.open) == 1 {
		if name != cobertura && name != jacoco {
			return fmt.Errorf("<%.40s> is neither <coverage> of Cobertura nor <report> of JaCoCo", name)
		}
		p.format = name
		return nil
	}
	if p.format == cobertura {
		switch name {
		case "source":
			p.inSource, p.source = true, ""
		case "class":
			p.file = p.within(attribute(t, "filename"))
		case "line":
			p.line(attribute(t, "number"), attribute(t, "hits"))
		}
		return nil
	}
	switch name {
	case "package":
		p.pkg = attribute(t, "name")
	case "sourcefile":
		p.file = p.within(path.Join(p.pkg, attribute(t, "name")))
	case "line":
		p.line(attribute(t, "nr"), attribute(t, "ci"))
	}
	return nil
}

func (p *parser) end(name string) {
	switch name {
	case "source":
		if p.inSource {
			p.sources = append(p.sources, strings.TrimSpace(p.source))
		}
		p.inSource = false
	case "class", "sourcefile":
		if p.format == cobertura == (name == "class") {
			p.file = ""
		}
	case "package":
		p.pkg = ""
	}
}

func (p *parser) line(number, hits string) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || p.file == "" {
		return
	}
	covered := strings.Trim(hits, "0") != "" && !strings.HasPrefix(hits, "-")
	p.builder.add(p.file, n, covered)
}

// within the project, where a name or one of the sources leads there.
func (p *parser) within(name string) string {
	if name == "" || len(name) > maxPath || !utf8.ValidString(name) {
		return ""
	}
	name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	project := strings.TrimSuffix(p.Project, "/")
	if path.IsAbs(name) {
		if rest, ok := strings.CutPrefix(name, project+"/"); ok && project != "" {
			return rest
		}
		return strings.TrimPrefix(name, "/")
	}
	for _, s := range p.sources {
		full := path.Join(s, name)
		if rest, ok := strings.CutPrefix(full, project+"/"); ok && project != "" {
			return rest
		}
	}
	for strings.HasPrefix(name, "../") {
		name = strings.TrimPrefix(name, "../")
	}
	return name
}

// bounded ends with an error where a file, or one tag of it, is too long: the decoder
// keeps a tag whole.
type bounded struct {
	in    io.Reader
	total int64
	tag   int
	open  bool // within a tag
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p[:min(len(p), 32<<10)])
	if b.total += int64(n); b.total > MaxBytes {
		return 0, fmt.Errorf("more than %d bytes", int64(MaxBytes))
	}
	for _, c := range p[:n] {
		switch {
		case c == '<' && !b.open:
			b.open, b.tag = true, 0
		case c == '>':
			b.open = false
		case b.open:
			if b.tag++; b.tag > maxTag {
				return 0, fmt.Errorf("a tag of more than %d bytes", maxTag)
			}
		}
	}
	return n, err
}
