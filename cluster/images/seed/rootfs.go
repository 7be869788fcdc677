package seed

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// epoch is the modification time of everything, so that equal trees give equal images.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// unwanted are directories whose content a base image does without.
var unwanted = []string{
	"dev", "proc", "sys", "run", "tmp", "var/cache", "var/log", "var/lib/apt/lists",
	"usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/bug",
}

// debianImage makes an image of a root file system.
func debianImage(work, rootfs string) (v1.Image, error) {
	trimmed := filepath.Join(work, "debian.tar")
	if err := trimFile(trimmed, rootfs); err != nil {
		return nil, err
	}
	layer, err := compressed(trimmed)
	if err != nil {
		return nil, err
	}
	return extend(empty.Image, v1.Config{
		Cmd: []string{"bash"},
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}, layer)
}

// extend adds layers to an image and sets its configuration.
func extend(base v1.Image, config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(base, types.OCIManifestSchema1), types.OCIConfigJSON)
	var added []mutate.Addendum
	for _, l := range layers {
		added = append(added, mutate.Addendum{
			Layer: l, History: v1.History{CreatedBy: "slipway seed", Created: v1.Time{Time: epoch}},
		})
	}
	image, err := mutate.Append(image, added...)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Architecture, file.OS, file.Config, file.Created = architecture, "linux", config, v1.Time{Time: epoch}
	return mutate.ConfigFile(image, file)
}

// compressed is a layer of the tar at path in zstd, which nodes unpack several
// times faster than gzip.
func compressed(path string) (v1.Layer, error) {
	return tarball.LayerFromFile(path,
		tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd))
}

func trimFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return trim(out, in)
}

// trim copies a tar without devices and what is unwanted, every time set to epoch.
func trim(w io.Writer, r io.Reader) error {
	from, to := tar.NewReader(r), tar.NewWriter(w)
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			return to.Close()
		}
		if err != nil {
			return fmt.Errorf("root file system: %w", err)
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if name == "" || below(name, unwanted) || !keptType(h.Typeflag) {
			continue
		}
		h.Name = name
		if h.Typeflag == tar.TypeDir {
			h.Name += "/"
		}
		if h.Typeflag == tar.TypeLink {
			h.Linkname = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
		}
		h.ModTime, h.AccessTime, h.ChangeTime = epoch, time.Time{}, time.Time{}
		h.Uname, h.Gname, h.Format = "", "", tar.FormatUnknown
		if err := to.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := io.Copy(to, from); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

func keptType(flag byte) bool {
	switch flag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
		return true
	}
	return false
}

// below says whether name is inside one of the directories, not one of them itself.
func below(name string, directories []string) bool {
	for _, d := range directories {
		if strings.HasPrefix(name, d+"/") {
			return true
		}
	}
	return false
}
