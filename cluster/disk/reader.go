package disk

import "io"

// checkEvery bytes that come in the free space is looked at again.
const checkEvery = 32 << 20

// Reader is r as long as there is room for what it brings: room is asked before the first
// byte and then now and then, and its error is the reader's.
func Reader(r io.Reader, room func() error) io.Reader {
	return &guarded{from: r, room: room, since: checkEvery}
}

type guarded struct {
	from  io.Reader
	room  func() error
	since int64
}

// Read implements io.Reader.
func (g *guarded) Read(p []byte) (int, error) {
	if g.since >= checkEvery {
		if err := g.room(); err != nil {
			return 0, err
		}
		g.since = 0
	}
	n, err := g.from.Read(p)
	g.since += int64(n)
	return n, err
}
