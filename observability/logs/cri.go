package logs

import (
	"bytes"
	"fmt"
	"time"
)

// maxLine is the longest line that is kept whole; the rest of a longer one is
// left out and said to be.
const maxLine = 256 << 10

// criLine is one record of a container's log file, as CRI writes it:
// time, stream, F (full) or P (partial), text.
type criLine struct {
	at      int64
	stream  string
	partial bool
	text    []byte
	// fields are of this line only.
	fields map[string]string
}

func parseCRI(b []byte) (criLine, error) {
	stamp, rest, ok1 := bytes.Cut(b, []byte(" "))
	stream, rest, ok2 := bytes.Cut(rest, []byte(" "))
	tag, text, ok3 := bytes.Cut(rest, []byte(" "))
	if !ok3 && len(tag) > 0 {
		// An empty line may end after its tag.
		ok3 = true
	}
	if !ok1 || !ok2 || !ok3 {
		return criLine{}, fmt.Errorf("not a CRI log record: %.60q", b)
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return criLine{}, fmt.Errorf("CRI log record: %w", err)
	}
	first, _, _ := bytes.Cut(tag, []byte(":"))
	return criLine{at: at.UnixNano(), stream: string(stream), partial: string(first) == "P", text: text}, nil
}

// assembler joins partial records into lines, one stream apart from the other.
type assembler struct {
	begun map[string][]byte
}

// add returns a whole line, or ok false while more is to come.
func (a *assembler) add(l criLine) (line string, ok bool) {
	if a.begun == nil {
		a.begun = map[string][]byte{}
	}
	text := a.begun[l.stream]
	if room := maxLine - len(text); len(l.text) > room {
		text = append(text, l.text[:max(room, 0)]...)
	} else {
		text = append(text, l.text...)
	}
	if l.partial {
		a.begun[l.stream] = text
		return "", false
	}
	delete(a.begun, l.stream)
	if len(text) >= maxLine {
		return string(text) + " [line cut at 256 KiB]", true
	}
	return string(text), true
}
