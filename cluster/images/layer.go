package images

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// epoch is the modification time of everything in a system image.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// file is one member of a layer. A link name makes it a link; without content
// and link it is a directory.
type file struct {
	name     string
	mode     int64
	symlink  string
	hardlink string
	size     int64
	open     func() (io.ReadCloser, error)
}

// layer is an uncompressed tar made while it is read: system images never leave
// the machine, so compressing them would only cost start-up time.
type layer struct {
	files []file
	sum   func() (summary, error)
}

type summary struct {
	hash v1.Hash
	size int64
}

var _ v1.Layer = (*layer)(nil)

func newLayer(files []file) *layer {
	l := &layer{files: files}
	l.sum = sync.OnceValues(l.measure)
	return l
}

func (l *layer) measure() (summary, error) {
	h := sha256.New()
	counter := &countingWriter{to: h}
	if err := l.writeTo(counter); err != nil {
		return summary{}, err
	}
	return summary{
		hash: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))},
		size: counter.written,
	}, nil
}

func (l *layer) writeTo(w io.Writer) error {
	archive := tar.NewWriter(w)
	for _, f := range l.files {
		if err := f.writeTo(archive); err != nil {
			return fmt.Errorf("layer file %s: %w", f.name, err)
		}
	}
	return archive.Close()
}

func (f file) writeTo(w *tar.Writer) error {
	h := &tar.Header{Name: f.name, Mode: f.mode, ModTime: epoch, Format: tar.FormatUSTAR}
	switch {
	case f.symlink != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, f.symlink
	case f.hardlink != "":
		h.Typeflag, h.Linkname = tar.TypeLink, f.hardlink
	case f.open == nil:
		h.Typeflag, h.Name = tar.TypeDir, f.name+"/"
	default:
		h.Typeflag, h.Size = tar.TypeReg, f.size
	}
	if err := w.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// Digest of the tar.
func (l *layer) Digest() (v1.Hash, error) {
	s, err := l.sum()
	return s.hash, err
}

// DiffID is the digest, as nothing is compressed.
func (l *layer) DiffID() (v1.Hash, error) { return l.Digest() }

// Size of the tar.
func (l *layer) Size() (int64, error) {
	s, err := l.sum()
	return s.size, err
}

// MediaType of a plain tar.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }

// Compressed is the tar as it is.
func (l *layer) Compressed() (io.ReadCloser, error) { return l.Uncompressed() }

// Uncompressed makes the tar while it is read; closing it early ends the making.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(l.writeTo(w)) }()
	return r, nil
}

type countingWriter struct {
	to      io.Writer
	written int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.written += int64(n)
	return n, err
}
