package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/distribution/reference"

	"slipway.dev/pipelines/jobapi/wire"
)

// EnvStore is the file that remembers what a job has built.
const EnvStore = "SLIPWAY_DOCKER_STORE"

// store remembers the images of one job: names, and the digests that they stand for.
// It is a small file, locked while it changes, as scripts build side by side.
type store struct{ file string }

// image is one name.
type image struct {
	// Name as repository:tag, in full.
	Name string `json:"name"`
	wire.DockerImage
	// Pushed are the names with digests under which it is in a registry.
	Pushed []string `json:"pushed,omitempty"`
}

func openStore(env func(string) string) *store {
	file := env(EnvStore)
	if file == "" {
		file = filepath.Join(env(wire.EnvBuilds), ".slipway", "docker.json")
	}
	return &store{file: file}
}

func (s *store) read() ([]image, error) {
	data, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []image
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file, err)
	}
	return list, nil
}

// change the list, alone.
func (s *store) change(f func([]image) []image) error {
	lock, err := os.OpenFile(s.file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	list, err := s.read()
	if err != nil {
		return err
	}
	data, err := json.Marshal(f(list))
	if err != nil {
		return err
	}
	temporary := s.file + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, s.file)
}

// put the image under each of its names, in place of what had them.
func (s *store) put(images ...image) error {
	return s.change(func(list []image) []image {
		for _, one := range images {
			list = slices.DeleteFunc(list, func(o image) bool { return o.Name == one.Name })
			list = append(list, one)
		}
		return list
	})
}

// find an image by name, by name and digest, or by the beginning of its identity.
func (s *store) find(text string) (image, error) {
	list, err := s.read()
	if err != nil {
		return image{}, err
	}
	for _, i := range slices.Backward(list) {
		id := strings.TrimPrefix(i.Digest, "sha256:")
		if want := strings.TrimPrefix(text, "sha256:"); len(want) >= 12 && strings.HasPrefix(id, want) {
			return i, nil
		}
	}
	name, err := parse(text)
	if err != nil {
		return image{}, err
	}
	digest := ""
	if d, ok := name.(reference.Digested); ok {
		digest = d.Digest().String()
	}
	for _, i := range list {
		if digest != "" && i.Digest == digest || digest == "" && i.Name == name.String() {
			return i, nil
		}
	}
	return image{}, errNoImage
}

var errNoImage = errors.New("no such image in this job; build or pull it first")

// parse a name as people write it into a full one with a tag or digest.
func parse(text string) (reference.Named, error) {
	n, err := reference.ParseDockerRef(text)
	if err != nil {
		return nil, fmt.Errorf("image name %q: %w", text, err)
	}
	return n, nil
}

// parseTag is parse for a name that is given to something, so without a digest.
func parseTag(text string) (reference.NamedTagged, error) {
	n, err := parse(text)
	if err != nil {
		return nil, err
	}
	t, ok := n.(reference.NamedTagged)
	if !ok {
		return nil, fmt.Errorf("image name %q: a digest cannot be given to an image, only a tag", text)
	}
	return t, nil
}

func platform() string { return "linux/" + runtime.GOARCH }
