package embedded

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/prometheus/client_golang/prometheus"

	"slipway.dev/cluster/disk"
)

// fillable is a Disk that is full once it is said to be.
type fillable struct{ full error }

func (f *fillable) Room() error { return f.full }

func newDriver(t *testing.T) *durableDriver {
	t.Helper()
	d, err := durableFactory{}.Create(context.Background(), map[string]any{"rootdirectory": t.TempDir(), "disk": &fillable{}})
	if err != nil {
		t.Fatal(err)
	}
	return d.(*durableDriver)
}

// What was acknowledged has every directory above it on disk, also after the
// directory was deleted and made again.
func TestDirectoriesAreSettled(t *testing.T) {
	ctx, d := context.Background(), newDriver(t)
	for range 2 {
		if err := d.PutContent(ctx, "/docker/a/b/link", []byte("x")); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"/docker", "/docker/a", "/docker/a/b"} {
			if !d.known[dir] {
				t.Errorf("%s was not settled", dir)
			}
		}
		if err := d.Delete(ctx, "/docker/a"); err != nil {
			t.Fatal(err)
		}
		if d.known["/docker/a"] || d.known["/docker/a/b"] || !d.known["/docker"] {
			t.Errorf("after a delete these are known: %v", d.known)
		}
	}
}

func TestMarksOfUploadsAreWhole(t *testing.T) {
	ctx, d := context.Background(), newDriver(t)
	name := "/docker/registry/v2/repositories/a/b/_uploads/1/hashstates/sha256/0"
	if err := d.PutContent(ctx, name, []byte("state")); err != nil {
		t.Fatal(err)
	}
	if got, err := d.GetContent(ctx, name); err != nil || string(got) != "state" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(d.root, name+".tmp")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a temporary file was left")
	}
}

func TestDiskFillsUpDuringAnUpload(t *testing.T) {
	ctx, d := context.Background(), newDriver(t)
	w, err := d.Writer(ctx, "/docker/blob", false)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	d.disk.(*fillable).full = disk.Full{Free: 10, Reserve: 100}
	var full disk.Full
	if _, err := w.Write(make([]byte, checkEvery)); !errors.As(err, &full) {
		t.Fatalf("a write to a full disk: %v", err)
	}
	if _, err := d.Writer(ctx, "/docker/other", false); !errors.As(err, &full) {
		t.Errorf("an upload to a full disk: %v", err)
	}
	if err := d.Delete(ctx, "/docker/blob"); err != nil {
		t.Errorf("deleting must work on a full disk: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	_, host := open(t, func(o *Options) { o.Registerer = reg })
	if err := remote.Write(tag(t, host+"/default/hello:1"), image(t), remote.WithAuth(as("default"))); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	for _, want := range []string{"slipway_registry_requests_total", "slipway_registry_request_duration_seconds"} {
		if !strings.Contains(strings.Join(names, " "), want) {
			t.Errorf("%s is missing from %v", want, names)
		}
	}
}
