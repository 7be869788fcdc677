package runjob

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"
)

// source brings the commit into the project directory, which is always new here:
// there is nothing to clean, and fetching is the same as cloning.
func (a *attempt) source(ctx context.Context) error {
	c := a.job.Checkout
	if c.Strategy != "" {
		fmt.Fprintf(a.out, "Skipping Git repository setup: the strategy is %s\n", c.Strategy)
		return nil
	}
	body, err := a.Get(ctx, "/source")
	if err != nil {
		return err
	}
	err = UntarZstd(body, a.project)
	body.Close()
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(a.project)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := a.setOrigin(root, c.URL); err != nil {
		return err
	}
	if c.Skip {
		fmt.Fprintln(a.out, "Skipping Git checkout")
		return nil
	}
	if _, err := root.Lstat(".gitmodules"); err == nil {
		if c.Submodules == "" {
			fmt.Fprintln(a.out, "Skipping Git submodules setup")
		} else if err := a.submodules(ctx, root); err != nil {
			return err
		}
	}
	if err := refreshIndex(root); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Checked out %.8s as detached HEAD (ref is %s)\n", c.Commit, c.Ref)
	return nil
}

// UntarZstd unpacks a source archive into dir.
func UntarZstd(r io.Reader, dir string) error {
	zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return fmt.Errorf("source archive: %w", err)
	}
	defer zr.Close()
	p, err := newPlacer(dir)
	if err != nil {
		return err
	}
	defer p.root.Close()
	p.open = true
	return untar(p, zr)
}

func untar(p *placer, r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			// The checksum is at the very end.
			_, err = io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		at := h.ModTime
		if p.open {
			at = time.Time{} // as git does it: now
		}
		if err := p.put(h.Name, h.FileInfo().Mode(), h.Linkname, at, tr); err != nil {
			return err
		}
	}
}
