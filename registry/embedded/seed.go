package embedded

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"slipway.dev/cluster/disk"
)

// seedMark remembers what a tag was seeded from.
type seedMark struct {
	Image    string    `json:"image"`
	Digest   string    `json:"digest"`
	Source   string    `json:"source"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// seedMarks are files below the registry's directory, one a tag.
type seedMarks struct{ dir string }

func (s seedMarks) file(image string) string {
	sum := sha256.Sum256([]byte(image))
	return filepath.Join(s.dir, "seeded", hex.EncodeToString(sum[:16]))
}

// seeded tells whether a tag is a person's choice and no upstream may move it.
func (s seedMarks) seeded(image string) bool {
	_, err := os.Stat(s.file(image))
	return err == nil
}

func (s seedMarks) read(image string) (m seedMark, ok bool) {
	data, err := os.ReadFile(s.file(image))
	return m, err == nil && json.Unmarshal(data, &m) == nil
}

// Seed imports an image from a file into the local store under a name, as in
//
//	Seed(ctx, "docker.io/library/golang:1.26", "golang.tar")
//
// so that pulls of that name are served with no network. The file is what
// `docker save` or an OCI archive writes, or a directory with an OCI layout.
// The name may be short ("golang:1.26" is Docker Hub's), or one of this registry
// ("registry.slipway.internal/system/toolbox:latest"). A file that was imported
// under the name before, and has not changed, costs one look. It returns the
// digest that the tag now has.
func (r *Registry) Seed(ctx context.Context, image, file string) (string, error) {
	local, tag, err := seedName(image)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("seed %s: %w", image, err)
	}
	key := local.String() + ":" + tag
	if m, ok := r.mirror.marks.read(key); ok && !info.IsDir() && m.Size == info.Size() && m.Modified.Equal(info.ModTime()) {
		if has, err := r.tagDigest(ctx, local, tag); err == nil && has == m.Digest {
			return m.Digest, nil
		}
	}
	from, done, err := r.openImage(file, image)
	if err != nil {
		return "", fmt.Errorf("seed %s from %s: %w", image, file, err)
	}
	defer done()
	dgst, err := r.write(ctx, key, from)
	if err != nil {
		return "", fmt.Errorf("seed %s from %s: %w", image, file, err)
	}
	mark, err := json.Marshal(seedMark{Image: key, Digest: dgst.String(), Source: filepath.Base(file), Size: info.Size(), Modified: info.ModTime()})
	if err != nil {
		return "", err
	}
	return dgst.String(), writeFile(r.mirror.marks.file(key), mark)
}

// Keep puts an image of a tag that never changes its meaning, as that of a system
// image, into the local store. Build is called when it is not there.
func (r *Registry) Keep(ctx context.Context, image string, build func() (v1.Image, error)) error {
	local, tag, err := seedName(image)
	if err != nil {
		return err
	}
	if _, err := r.tagDigest(ctx, local, tag); err == nil {
		return nil
	}
	built, err := build()
	if err == nil {
		_, err = r.write(ctx, local.String()+":"+tag, built)
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", image, err)
	}
	return nil
}

// write a v1.Image or a v1.ImageIndex under a local name and tag.
func (r *Registry) write(ctx context.Context, key string, from any) (dgst v1.Hash, err error) {
	dst, err := name.NewTag(serviceName+"/"+key, name.StrictValidation)
	if err != nil {
		return dgst, err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithTransport(r.Transport())}
	switch from := from.(type) {
	case v1.ImageIndex:
		if err = remote.WriteIndex(dst, from, options...); err == nil {
			dgst, err = from.Digest()
		}
	case v1.Image:
		if err = remote.Write(dst, from, options...); err == nil {
			dgst, err = from.Digest()
		}
	}
	if full := r.options.Disk.Room(); err != nil && full != nil {
		err = full // the way through the registry made other words of it
	}
	return dgst, err
}

// seedName turns a name as people write it into a local one.
func seedName(image string) (Name, string, error) {
	t, err := name.NewTag(image)
	if err != nil {
		return Name{}, "", fmt.Errorf("image name %q: %w", image, err)
	}
	full := t.RepositoryStr()
	if t.RegistryStr() != serviceName {
		full = upstreamKey(t.RegistryStr()) + "/" + full
	}
	n, err := ParseName(full)
	return n, t.TagStr(), err
}

func (r *Registry) tagDigest(ctx context.Context, n Name, tag string) (string, error) {
	ref, err := name.NewTag(serviceName+"/"+n.String()+":"+tag, name.StrictValidation)
	if err != nil {
		return "", err
	}
	d, err := remote.Head(ref, remote.WithContext(ctx), remote.WithTransport(r.Transport()))
	if err != nil {
		return "", err
	}
	return d.Digest.String(), nil
}

// openImage finds out what a file is. The result is a v1.Image or a v1.ImageIndex.
func (r *Registry) openImage(file, image string) (any, func(), error) {
	nothing := func() {}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		found, err := fromLayout(file, image)
		return found, nothing, err
	}
	opener := func() (io.ReadCloser, error) { return os.Open(file) }
	if _, err := tarball.LoadManifest(opener); err == nil {
		img, err := tarball.Image(opener, nil)
		if err == nil {
			return img, nothing, nil
		}
		tag, terr := name.NewTag(image)
		if terr != nil {
			return nil, nothing, err
		}
		img, err = tarball.Image(opener, &tag)
		return img, nothing, err
	}
	dir, err := os.MkdirTemp(r.options.Dir, ".seed-*")
	if err != nil {
		return nil, nothing, err
	}
	done := func() { _ = os.RemoveAll(dir) }
	if err := unpackLayout(file, dir, r.options.Disk.Room); err != nil {
		done()
		return nil, nothing, err
	}
	found, err := fromLayout(dir, image)
	return found, done, err
}

func fromLayout(dir, image string) (any, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, fmt.Errorf("neither a docker archive nor an OCI layout: %w", err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	pick := -1
	var names []string
	for i, d := range m.Manifests {
		ref := d.Annotations["org.opencontainers.image.ref.name"]
		if ref != "" && !slices.Contains(names, ref) {
			names = append(names, ref)
		}
		if len(m.Manifests) == 1 || (ref != "" && (sameName(ref, image) || strings.HasSuffix(image, ":"+ref))) {
			pick = i
		}
	}
	if pick < 0 && len(names) > 1 {
		return nil, fmt.Errorf("it has %d images and none of this name; seed one of them under its own: %s", len(names), strings.Join(names, ", "))
	}
	if pick < 0 {
		return index, nil // one image, for several architectures
	}
	d := m.Manifests[pick]
	if d.MediaType.IsIndex() {
		return index.ImageIndex(d.Digest)
	}
	return index.Image(d.Digest)
}

// sameName says whether both mean one image, a short name being Docker Hub's.
func sameName(a, b string) bool {
	x, err := name.NewTag(a)
	if err != nil {
		return false
	}
	y, err := name.NewTag(b)
	return err == nil && x.Name() == y.Name()
}

var layoutFileRE = regexp.MustCompile(`^(?:\./)?(?:oci-layout|index\.json|blobs/sha256/[0-9a-f]{64})$`)

// unpackLayout takes out of an OCI archive the files that a layout has, and
// nothing else, so no path in it leads anywhere.
func unpackLayout(file, dir string, room func() error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	archive, found := tar.NewReader(f), 0
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("not an image archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg || !layoutFileRE.MatchString(h.Name) {
			continue
		}
		found++
		if err := unpackFile(root, filepath.Clean(h.Name), disk.Reader(archive, room)); err != nil {
			return err
		}
	}
	if found == 0 {
		return fmt.Errorf("not an image archive: neither manifest.json nor index.json in it")
	}
	return nil
}

func unpackFile(root *os.Root, file string, from io.Reader) error {
	out, err := root.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Close())
}
