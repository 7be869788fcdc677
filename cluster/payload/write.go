package payload

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"
)

// modified is the time of every entry, so that equal content gives an equal archive.
var modified = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// isName accepts what may be an entry's name: relative, clean, inside.
func isName(name string) bool { return fs.ValidPath(name) && name != "." }

// Write packs the files below dir into an archive and returns its hash, which
// depends on names, modes and content alone.
func Write(w io.Writer, dir string) (hash string, err error) {
	entries, err := list(dir)
	if err != nil {
		return "", err
	}
	z := zip.NewWriter(w)
	z.RegisterCompressor(zstd.ZipMethodWinZip,
		zstd.ZipCompressor(zstd.WithEncoderLevel(zstd.SpeedBetterCompression)))
	all, source := sha256.New(), directory{dir}
	for _, e := range entries {
		digest, err := source.digest(e.Name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(all, "%s %o %s\n", digest, e.Mode, e.Name)
		header := &zip.FileHeader{
			Name: e.Name, Comment: digest, Method: zstd.ZipMethodWinZip, Modified: modified,
		}
		header.SetMode(e.Mode)
		if err := writeEntry(z, header, source); err != nil {
			return "", fmt.Errorf("payload %s: %w", e.Name, err)
		}
	}
	hash = hex.EncodeToString(all.Sum(nil))
	if err := z.SetComment(commentPrefix + hash); err != nil {
		return "", err
	}
	return hash, z.Close()
}

func writeEntry(z *zip.Writer, header *zip.FileHeader, source directory) error {
	f, err := source.open(header.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// Append writes to out the program at binary followed by the archive at
// archivePath, executable, in one step that a reader never sees half done.
func Append(out, binary, archivePath string) error {
	temporary := out + ".new"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	for _, path := range []string{binary, archivePath} {
		if err := copyFile(f, path); err != nil {
			f.Close()
			return fmt.Errorf("append %s to %s: %w", path, out, err)
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(temporary, out)
}

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
