package bench

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"slipway.dev/pipelines/build"
)

const (
	direct      = "image built and pushed by buildctl alone"
	through     = "image built and pushed through Slipway"
	imageRounds = 8
)

// registry is where the daemon reaches it: the address, not the name, is pushed to.
const registry = "127.0.0.1:8080"

// images builds the example with one changed file a round, once each way, in
// alternating order. Both ways end when the registry has the image; buildctl's
// counts its own start, Slipway's the packing and unpacking of the context.
func (b *bench) images(ctx context.Context, in *instance) error {
	token, err := in.client.Token()
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "context")
	if err := os.CopyFS(dir, os.DirFS(b.Example)); err != nil {
		return err
	}
	buildctl, err := in.buildctl()
	if err != nil {
		return err
	}
	config, err := dockerConfig(b.dir, token)
	if err != nil {
		return err
	}
	address := "unix://" + filepath.Join(in.dir, "run", "buildkitd.sock")
	builder := build.New(build.Options{Address: address, Registry: registry, TempDir: b.dir})
	defer builder.Close()
	ways := []struct {
		name  string
		build func() error
	}{
		{direct, func() error {
			cmd := exec.CommandContext(ctx, buildctl, "--addr", address, "build", "--frontend", "dockerfile.v0",
				"--local", "context="+dir, "--local", "dockerfile="+dir,
				"--output", "type=image,push=true,oci-mediatypes=true,unpack=false,name="+registry+"/default/bench-direct")
			cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+config)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("buildctl: %w: %s", err, out)
			}
			return nil
		}},
		{through, func() error {
			var archive bytes.Buffer
			w := tar.NewWriter(&archive)
			if err := w.AddFS(os.DirFS(dir)); err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			_, err := builder.Build(ctx, build.Request{Namespace: "default", Name: "bench-through", Context: &archive, Token: token}, nil)
			return err
		}},
	}
	for i := range imageRounds + 1 {
		for k := range ways {
			way := ways[(i+k)%len(ways)]
			if err := os.WriteFile(filepath.Join(dir, "VERSION"), fmt.Appendf(nil, "%d %d\n", i, k), 0o644); err != nil {
				return err
			}
			began := time.Now()
			if err := way.build(); err != nil {
				return err
			}
			if i > 0 {
				b.report.against(way.name, "s", time.Since(began).Seconds(), direct)
			}
		}
	}
	return nil
}

// buildctl is the program that the server took out of its payload.
func (in *instance) buildctl() (string, error) {
	found, err := filepath.Glob(filepath.Join(in.dir, "bin", "*", "buildctl"))
	if payload := os.Getenv("SLIPWAY_PAYLOAD"); payload != "" {
		found = append(found, filepath.Join(payload, "buildctl"))
	}
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no buildctl in %s: %v", filepath.Join(in.dir, "bin"), err)
	}
	return found[0], nil
}

// dockerConfig writes the credential as buildctl reads it and returns its directory.
func dockerConfig(parent, token string) (string, error) {
	dir := filepath.Join(parent, "docker")
	entry := map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("bench:" + token))}
	b, err := json.Marshal(map[string]any{"auths": map[string]any{registry: entry}})
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600)
}
