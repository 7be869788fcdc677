package images

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"slipway.dev/cluster/payload"
)

// edition is part of every tag: raise it when a recipe changes.
const edition = "1"

// recipe says how one image is made of payload entries.
type recipe struct {
	entries []string
	files   func(get) ([]file, error)
	config  v1.Config
}

// get makes a payload entry into a layer file.
type get func(entry, name string) (file, error)

var recipes = map[string]recipe{
	Pause: {
		entries: []string{"pause"},
		files:   single("pause", "pause"),
		config:  v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535", WorkingDir: "/"},
	},
	CoreDNS: {
		entries: []string{"coredns"},
		files:   single("coredns", "coredns"),
		config:  v1.Config{Entrypoint: []string{"/coredns"}, WorkingDir: "/"},
	},
	Runner: {
		entries: []string{"runner"},
		files:   runnerFiles,
		config: v1.Config{
			Entrypoint: []string{"/ko-app/entrypoint"}, WorkingDir: "/",
			Env: []string{"PATH=/ko-app:/usr/local/bin:/usr/bin:/bin"},
		},
	},
	Toolbox: {
		entries: []string{"busybox", "busybox.applets"},
		files:   toolboxFiles,
		config: v1.Config{
			Cmd: []string{"sh"}, WorkingDir: "/",
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
	},
}

func single(entry, name string) func(get) ([]file, error) {
	return func(g get) ([]file, error) {
		f, err := g(entry, name)
		return []file{f}, err
	}
}

// runnerFiles gives the one multi-call binary each of the names Tekton starts it by.
func runnerFiles(g get) ([]file, error) {
	entrypoint, err := g("runner", "ko-app/entrypoint")
	if err != nil {
		return nil, err
	}
	files := []file{{name: "ko-app", mode: 0o755}, entrypoint}
	for _, name := range []string{"nop", "workingdirinit", "sidecarlogresults"} {
		files = append(files, file{name: "ko-app/" + name, mode: 0o755, hardlink: "ko-app/entrypoint"})
	}
	return append(files, file{name: "tmp", mode: 0o1777}), nil
}

// toolboxFiles is the least a person expects of a system: a shell, the usual
// commands, users, a place for temporary files and for certificates.
func toolboxFiles(g get) ([]file, error) {
	busybox, err := g("busybox", "bin/busybox")
	if err != nil {
		return nil, err
	}
	applets, err := g("busybox.applets", "")
	if err != nil {
		return nil, err
	}
	names, err := read(applets)
	if err != nil {
		return nil, err
	}
	files := []file{{name: "bin", mode: 0o755}, busybox}
	for _, name := range strings.Fields(string(names)) {
		if name == "busybox" || strings.Contains(name, "/") {
			continue
		}
		files = append(files, file{name: "bin/" + name, mode: 0o777, symlink: "busybox"})
	}
	for _, dir := range []string{"dev", "etc", "etc/ssl", "etc/ssl/certs", "home", "proc", "sys", "usr", "usr/bin", "usr/local", "usr/local/bin", "var"} {
		files = append(files, file{name: dir, mode: 0o755})
	}
	return append(files,
		file{name: "root", mode: 0o700},
		file{name: "tmp", mode: 0o1777},
		file{name: "var/tmp", mode: 0o1777},
		file{name: "usr/bin/env", mode: 0o777, symlink: "../../bin/busybox"},
		text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nnonroot:x:65532:65532:nonroot:/home:/bin/sh\n"),
		text("etc/group", "root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n"),
		text("etc/os-release", "ID=toolbox\nNAME=\"Slipway toolbox\"\nPRETTY_NAME=\"Slipway toolbox (BusyBox)\"\n"),
	), nil
}

func text(name, content string) file {
	return file{name: name, mode: 0o644, size: int64(len(content)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func read(f file) ([]byte, error) {
	r, err := f.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, r)
	return b.Bytes(), err
}

// tag derives an image's tag from its recipe's edition and the digests of its entries.
func (r recipe) tag(p *payload.Payload) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, edition)
	for _, entry := range r.entries {
		digest, err := p.Digest(entry)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, digest)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// build assembles the image.
func (r recipe) build(p *payload.Payload) (v1.Image, error) {
	files, err := r.files(func(entry, name string) (file, error) {
		e, err := p.Stat(entry)
		if err != nil {
			return file{}, err
		}
		open := func() (io.ReadCloser, error) { return p.Open(entry) }
		return file{name: name, mode: 0o755, size: e.Size, open: open}, nil
	})
	if err != nil {
		return nil, err
	}
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		Architecture: architecture, OS: "linux", Config: r.config,
		Created: v1.Time{Time: epoch}, RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(image, mutate.Addendum{
		Layer:   newLayer(files),
		History: v1.History{CreatedBy: "slipway", Created: v1.Time{Time: epoch}},
	})
}
