package seed

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// goCache is where the golang image keeps its build cache, for whoever runs in it.
const goCache = "go/cache"

// farAway is the time of the cache's files. Go removes what was not used for days and
// marks what it uses by its time; what seems to be from the future it leaves alone, so
// that nothing is copied up out of the layer. 32 bits of seconds still hold it.
var farAway = time.Date(2038, 1, 1, 0, 0, 0, 0, time.UTC)

// moduleIndex begins what Go remembers of directories; it holds their times and places.
var moduleIndex = []byte("go index ")

// packGoCache makes a layer of a build cache: writable by all, and the same for equal
// content, whenever it was made.
func packGoCache(to, dir string) (err error) {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buffered := bufio.NewWriterSize(out, 1<<20)
	w := tar.NewWriter(buffered)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: goCache + "/", Mode: 0o777, ModTime: epoch}); err != nil {
		return err
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		return addEntry(w, path, goCache+"/"+filepath.ToSlash(strings.TrimPrefix(path, dir+string(filepath.Separator))), d)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return errors.Join(w.Close(), buffered.Flush())
}

// addEntry adds one of the directories 00 to ff, or a file of one: "-d" is an output
// and "-a" says which output an action had, and when.
func addEntry(w *tar.Writer, path, name string, d fs.DirEntry) error {
	if d.IsDir() {
		if len(d.Name()) != len("ff") {
			return fs.SkipDir
		}
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o777, ModTime: farAway})
	}
	action := strings.HasSuffix(name, "-a")
	if !action && !strings.HasSuffix(name, "-d") {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil || bytes.HasPrefix(data, moduleIndex) {
		return err
	}
	if action {
		if data, err = timeless(data); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o666, Size: int64(len(data)), ModTime: farAway}); err != nil {
		return err
	}
	_, err = io.Copy(w, bytes.NewReader(data))
	return err
}

// timeless gives an action's entry, which is "v1 <action> <output> <size> <nanoseconds>\n"
// in columns of fixed width, the time that everything has.
func timeless(entry []byte) ([]byte, error) {
	at := bytes.LastIndexByte(entry, ' ') + 1
	if f := bytes.Fields(entry); len(f) != 5 || string(f[0]) != "v1" || entry[len(entry)-1] != '\n' {
		return nil, errors.New("not an entry of a Go build cache of the kind that is known here")
	}
	return append(entry[:at:at], fmt.Sprintf("%*d\n", len(entry)-1-at, epoch.UnixNano())...), nil
}
