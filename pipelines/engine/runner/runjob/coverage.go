package runjob

import (
	"bytes"
	"io"
	"regexp"
)

// maxCoverageLine bounds what is looked at of one line.
const maxCoverageLine = 64 << 10

var (
	numberRE  = regexp.MustCompile(`\d+(\.\d+)?`)
	coloursRE = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")
)

// coverage passes a log on and keeps the last figure that its expression finds.
type coverage struct {
	io.Writer
	re     *regexp.Regexp
	line   []byte
	figure string
}

func (c *coverage) Write(p []byte) (int, error) {
	if c.re != nil {
		rest := p
		for len(rest) > 0 {
			i := bytes.IndexByte(rest, '\n')
			part := rest
			if i >= 0 {
				part = rest[:i]
			}
			c.line = append(c.line, part[:min(len(part), maxCoverageLine-min(len(c.line), maxCoverageLine))]...)
			if i < 0 {
				break
			}
			c.look()
			rest = rest[i+1:]
		}
	}
	return c.Writer.Write(p)
}

// look at one whole line: in the last match, the last group or all of it, the first number.
func (c *coverage) look() {
	line := coloursRE.ReplaceAll(c.line, nil)
	c.line = c.line[:0]
	all := c.re.FindAllSubmatch(line, -1)
	if len(all) == 0 {
		return
	}
	last := all[len(all)-1]
	if n := numberRE.Find(last[len(last)-1]); n != nil {
		c.figure = string(n)
	}
}

// result at the end of the log.
func (c *coverage) result() string {
	if c.re != nil && len(c.line) > 0 {
		c.look()
	}
	return c.figure
}
