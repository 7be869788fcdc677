package runjob

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

const (
	indexFile   = ".git/index"
	indexHeader = 12
	indexFixed  = 62 // bytes of an entry before its name
	maxIndex    = 256 << 20
)

var errIndex = errors.New("git index: not understood")

// eachEntry calls f with the bytes of each entry of an index of version 2 or 3, from
// its times on, and its name.
func eachEntry(data []byte, f func(entry []byte, name string) error) error {
	if len(data) < indexHeader+sha1.Size || !bytes.HasPrefix(data, []byte("DIRC")) {
		return errIndex
	}
	version := binary.BigEndian.Uint32(data[4:])
	if version != 2 && version != 3 {
		return fmt.Errorf("%w: version %d", errIndex, version)
	}
	rest := data[indexHeader : len(data)-sha1.Size]
	for n := binary.BigEndian.Uint32(data[8:]); n > 0; n-- {
		fixed := indexFixed
		if len(rest) < fixed {
			return errIndex
		}
		if version == 3 && rest[60]&0x40 != 0 {
			fixed += 2
		}
		if len(rest) < fixed {
			return errIndex
		}
		end := bytes.IndexByte(rest[fixed:], 0)
		if end < 0 {
			return errIndex
		}
		size := (fixed + end + 8) &^ 7
		if len(rest) < size {
			return errIndex
		}
		if err := f(rest[:fixed], string(rest[fixed:fixed+end])); err != nil {
			return err
		}
		rest = rest[size:]
	}
	return nil
}

func readIndex(root *os.Root) ([]byte, error) {
	f, err := root.Open(indexFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxIndex))
}

// refreshIndex writes into the index what lstat says of the files that were just
// unpacked, so that git need not read them all to see that nothing changed.
func refreshIndex(root *os.Root) error {
	data, err := readIndex(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = eachEntry(data, func(e []byte, name string) error {
		info, err := root.Lstat(name)
		if err != nil || info.IsDir() {
			return nil // git looks itself
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			for i, v := range []uint32{
				uint32(st.Ctim.Sec), uint32(st.Ctim.Nsec), uint32(st.Mtim.Sec), uint32(st.Mtim.Nsec), uint32(st.Dev), uint32(st.Ino),
			} {
				binary.BigEndian.PutUint32(e[4*i:], v)
			}
			for i, v := range []uint32{st.Uid, st.Gid, uint32(st.Size)} {
				binary.BigEndian.PutUint32(e[28+4*i:], v)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	sum := sha1.Sum(data[:len(data)-sha1.Size])
	copy(data[len(data)-sha1.Size:], sum[:])
	f, err := root.OpenFile(indexFile, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// tracked are the names in the index; nil where there is no index that we can read.
func tracked(root *os.Root) map[string]bool {
	data, err := readIndex(root)
	if err != nil {
		return nil
	}
	names := map[string]bool{}
	if eachEntry(data, func(_ []byte, name string) error { names[name] = true; return nil }) != nil {
		return nil
	}
	return names
}
