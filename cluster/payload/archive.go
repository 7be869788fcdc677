package payload

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// archive serves a payload from a zip, by itself or at the end of another file.
// Each entry's comment is the sha256 of its content, the archive's comment is
// commentPrefix and the hash of all of it.
type archive struct {
	path  string
	hash  string
	files map[string]*zip.File
}

const commentPrefix = "slipway payload "

// OpenArchive reads the index of the archive at the end of the file at path.
// The file stays open for as long as the process lives.
func OpenArchive(path string) (*Payload, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	p, err := readIndex(f, path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

func readIndex(f *os.File, path string) (*Payload, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	z, err := zip.NewReader(f, info.Size())
	if errors.Is(err, zip.ErrFormat) {
		return nil, fmt.Errorf("%s: %w", path, ErrAbsent)
	}
	if err != nil {
		return nil, fmt.Errorf("payload of %s: %w", path, err)
	}
	hash, ok := strings.CutPrefix(z.Comment, commentPrefix)
	if !ok || !isHex(hash) {
		return nil, fmt.Errorf("%s: %w", path, ErrAbsent)
	}
	z.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderConcurrency(1)))
	a := archive{path: path, hash: hash, files: make(map[string]*zip.File, len(z.File))}
	p := &Payload{store: a}
	for _, file := range z.File {
		if !isName(file.Name) || !isHex(file.Comment) {
			return nil, fmt.Errorf("payload of %s: entry %q is not one that pack wrote; build it again", path, file.Name)
		}
		a.files[file.Name] = file
		p.entries = append(p.entries, Entry{
			Name: file.Name, Mode: file.Mode().Perm(), Size: int64(file.UncompressedSize64),
		})
	}
	return p, nil
}

func (a archive) open(name string) (io.ReadCloser, error) {
	r, err := a.files[name].Open()
	if err != nil {
		return nil, fmt.Errorf("payload %s: %w", name, err)
	}
	return r, nil
}

func (a archive) digest(name string) (string, error) { return a.files[name].Comment, nil }

// isHex accepts the hexadecimal form of a sha256.
func isHex(s string) bool {
	if len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}
