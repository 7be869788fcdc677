package git

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	maxPacket = 65520
	flushPkt  = "0000"
)

var errPacket = errors.New("malformed packet line")

// packet is one pkt-line. Flush, delimiter and response-end have no payload.
type packet struct {
	flush   bool
	payload []byte
}

// readPacket reads one pkt-line; io.EOF only between two of them.
func readPacket(r *bufio.Reader) (packet, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return packet{}, errPacket
		}
		return packet{}, err
	}
	n, err := strconv.ParseUint(string(head[:]), 16, 16)
	if err != nil || head[0] == '+' {
		return packet{}, errPacket
	}
	switch {
	case n == 0:
		return packet{flush: true}, nil
	case n < 4 || n > maxPacket:
		return packet{}, errPacket
	}
	p := make([]byte, n-4)
	if _, err := io.ReadFull(r, p); err != nil {
		return packet{}, errPacket
	}
	return packet{payload: p}, nil
}

func pkt(payload string) string { return fmt.Sprintf("%04x%s", len(payload)+4, payload) }

// remoteLine is one line that git prints after "remote: ".
func remoteLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return pkt("\x02" + clip(text, 1000) + "\n")
}

// command is one ref update that a push asks for.
type command struct {
	old, new, ref string
}

const zeroHash = "0000000000000000000000000000000000000000"

// push is the head of a receive-pack request: its commands and options, and the bytes
// they were read from, which git has to read again.
type push struct {
	commands []command
	options  []string
	sideband bool
	report   bool
	raw      []byte
}

const (
	maxCommands = 2000
	maxHead     = 2 << 20
)

// readPush reads the commands at the head of a receive-pack request.
func readPush(r *bufio.Reader) (push, error) {
	var p push
	optional := false
	for {
		k, err := readPacket(r)
		if errors.Is(err, io.EOF) && len(p.raw) == 0 {
			return p, nil
		}
		if err != nil {
			return p, fmt.Errorf("push: %w", errPacket)
		}
		if k.flush {
			p.raw = append(p.raw, flushPkt...)
			if optional {
				err = p.readOptions(r)
			}
			return p, err
		}
		p.raw = append(p.raw, pkt(string(k.payload))...)
		line := string(k.payload)
		if strings.HasPrefix(line, "shallow ") {
			if len(p.raw) > maxHead {
				return p, fmt.Errorf("push of too many shallow lines: %w", ErrLimit)
			}
			continue
		}
		// git looks for capabilities behind the zero byte of every command, and takes the
		// name of the ref to end there: so does whoever judges the push.
		line, caps, _ := strings.Cut(line, "\x00")
		for _, c := range strings.Fields(caps) {
			p.sideband = p.sideband || c == "side-band-64k"
			p.report = p.report || c == "report-status" || c == "report-status-v2"
			optional = optional || c == "push-options"
		}
		c, err := parseCommand(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return p, err
		}
		p.commands = append(p.commands, c)
		if len(p.commands) > maxCommands || len(p.raw) > maxHead {
			return p, fmt.Errorf("push of more than %d refs: %w; push them in parts", maxCommands, ErrLimit)
		}
	}
}

// readOptions reads what `git push -o` gives, behind the commands.
func (p *push) readOptions(r *bufio.Reader) error {
	for {
		k, err := readPacket(r)
		if err != nil {
			return fmt.Errorf("push options: %w", errPacket)
		}
		if k.flush {
			p.raw = append(p.raw, flushPkt...)
			return nil
		}
		p.raw = append(p.raw, pkt(string(k.payload))...)
		p.options = append(p.options, strings.TrimSuffix(string(k.payload), "\n"))
		if len(p.options) > maxOptions || len(p.raw) > maxHead {
			return fmt.Errorf("more than %d push options: %w", maxOptions, ErrLimit)
		}
	}
}

func parseCommand(line string) (command, error) {
	if len(line) < 83 || line[40] != ' ' || line[81] != ' ' || !ValidCommit(line[:40]) || !ValidCommit(line[41:81]) {
		return command{}, fmt.Errorf("push: %w", errPacket)
	}
	return command{old: line[:40], new: line[41:81], ref: line[82:]}, nil
}

// refusal answers a push in the words of its protocol, so that the git client
// shows the reason and every ref as rejected.
func (p push) refusal(reason string) string {
	reason = strings.Map(func(r rune) rune {
		if r < 0x20 {
			return ' '
		}
		return r
	}, reason)
	var b strings.Builder
	b.WriteString(pkt("unpack ok\n"))
	for _, c := range p.commands {
		b.WriteString(pkt("ng " + c.ref + " " + clip(reason, 400) + "\n"))
	}
	b.WriteString(flushPkt)
	if !p.sideband {
		return b.String()
	}
	var out strings.Builder
	out.WriteString(remoteLine(reason))
	for rest := b.String(); p.report && rest != ""; {
		n := min(len(rest), maxPacket-5)
		out.WriteString(pkt("\x01" + rest[:n]))
		rest = rest[n:]
	}
	out.WriteString(flushPkt)
	return out.String()
}

const maxReport = 8 << 20

// relayReport copies what receive-pack says to the client as it comes, except
// for the status report, which is held until done has made the push lasting and
// known; the lines that done returns are shown to the user before it.
func relayReport(w io.Writer, src io.Reader, done func() []string) error {
	r := bufio.NewReaderSize(src, maxPacket)
	var held []byte
	sideband, ended := false, false
	var failed error
	for first := true; failed == nil; first = false {
		k, err := readPacket(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			failed = fmt.Errorf("answer of receive-pack: %w", err)
			break
		}
		if first && !k.flush {
			sideband = len(k.payload) > 0 && k.payload[0] <= 3
		}
		switch {
		case k.flush && sideband:
			ended = true
		case k.flush:
			held = append(held, flushPkt...)
		case sideband && (len(k.payload) == 0 || k.payload[0] != 1):
			_, failed = io.WriteString(w, pkt(string(k.payload)))
		default:
			held = append(held, pkt(string(k.payload))...)
		}
		if len(held) > maxReport {
			failed = fmt.Errorf("answer of receive-pack: %w", ErrLimit)
		}
	}
	// done runs whatever happened to the client: refs may have changed.
	lines := done()
	if failed != nil {
		_, _ = io.Copy(io.Discard, r)
		return failed
	}
	var tail strings.Builder
	if sideband {
		for _, l := range lines {
			tail.WriteString(remoteLine(l))
		}
	}
	tail.Write(held)
	if ended {
		tail.WriteString(flushPkt)
	}
	_, err := io.WriteString(w, tail.String())
	return err
}
