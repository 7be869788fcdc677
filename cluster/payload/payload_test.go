package payload

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree writes the files of a small payload and returns their directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o755))
	}
	return dir
}

// program appends the files to a small fake binary and opens it.
func program(t *testing.T, files map[string]string) (*Payload, string) {
	t.Helper()
	dir := t.TempDir()
	archive, err := os.Create(filepath.Join(dir, "payload.zip"))
	require.NoError(t, err)
	hash, err := Write(archive, tree(t, files))
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bare"), []byte("\x7fELF not really PK\x03\x04"), 0o755))
	out := filepath.Join(dir, "slipway")
	require.NoError(t, Append(out, filepath.Join(dir, "bare"), archive.Name()))
	p, err := OpenArchive(out)
	require.NoError(t, err)
	return p, hash[:16]
}

var sample = map[string]string{
	"containerd": string(bytes.Repeat([]byte("daemon "), 50_000)),
	"cni/ptp":    "plugin",
	"coredns":    "for an image only",
}

func TestExtract(t *testing.T) {
	p, hash := program(t, sample)
	dataDir := t.TempDir()
	bin, err := p.Extract(dataDir)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dataDir, "bin", hash), bin)
	for _, name := range []string{"containerd", "cni/ptp"} {
		content, err := os.ReadFile(filepath.Join(bin, name))
		require.NoError(t, err)
		require.Equal(t, sample[name], string(content))
		info, err := os.Stat(filepath.Join(bin, name))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o755), info.Mode())
	}
	require.NoFileExists(t, filepath.Join(bin, "coredns"))

	before, err := os.Stat(filepath.Join(bin, "containerd"))
	require.NoError(t, err)
	_, err = p.Extract(dataDir)
	require.NoError(t, err)
	after, err := os.Stat(filepath.Join(bin, "containerd"))
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "a second extraction must leave the files alone")
}

func TestExtractRepairsWhatAPowerFailureEmptied(t *testing.T) {
	p, _ := program(t, sample)
	dataDir := t.TempDir()
	bin, err := p.Extract(dataDir)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(bin, "containerd"), 0))
	_, err = p.Extract(dataDir)
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(bin, "containerd"))
	require.NoError(t, err)
	require.Equal(t, sample["containerd"], string(content))
}

func TestExtractAtOnce(t *testing.T) {
	p, _ := program(t, sample)
	dataDir := t.TempDir()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			bin, err := p.Extract(dataDir)
			if err != nil || !complete(bin, p.Entries()[1:2]) {
				t.Errorf("extract: %v", err)
			}
		})
	}
	wait.Wait()
}

func TestExtractPrunesOnlyWhatNothingRunsFrom(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	binary, err := os.ReadFile(sleep)
	require.NoError(t, err)
	old, _ := program(t, map[string]string{"containerd": string(binary)})
	dataDir := t.TempDir()
	oldBin, err := old.Extract(dataDir)
	require.NoError(t, err)
	leftover := filepath.Join(dataDir, "bin", temporaryPrefix+"crashed")
	require.NoError(t, os.Mkdir(leftover, 0o700))

	daemon := exec.Command(filepath.Join(oldBin, "containerd"), "600")
	require.NoError(t, daemon.Start())
	next, _ := program(t, sample)
	_, err = next.Extract(dataDir)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(oldBin, "containerd"), "removed below a running process")
	require.NoDirExists(t, leftover)

	require.NoError(t, daemon.Process.Kill())
	require.Error(t, daemon.Wait())
	_, err = next.Extract(dataDir)
	require.NoError(t, err)
	require.NoDirExists(t, oldBin)
}

func TestOpen(t *testing.T) {
	archived, _ := program(t, sample)
	unpacked, err := OpenDirectory(tree(t, sample))
	require.NoError(t, err)
	require.Equal(t, unpacked.Entries(), archived.Entries())
	for _, p := range []*Payload{archived, unpacked} {
		r, err := p.Open("coredns")
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.Equal(t, sample["coredns"], string(content))
		_, err = p.Open("../etc/passwd")
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	one, err := archived.Digest("coredns")
	require.NoError(t, err)
	other, err := unpacked.Digest("coredns")
	require.NoError(t, err)
	require.Equal(t, one, other)
}

func TestWriteIsDeterministic(t *testing.T) {
	var one, other bytes.Buffer
	_, err := Write(&one, tree(t, sample))
	require.NoError(t, err)
	_, err = Write(&other, tree(t, sample))
	require.NoError(t, err)
	require.True(t, bytes.Equal(one.Bytes(), other.Bytes()))
}

func TestAbsentOrDamaged(t *testing.T) {
	bare := filepath.Join(t.TempDir(), "slipway")
	require.NoError(t, os.WriteFile(bare, []byte("\x7fELF"), 0o755))
	_, err := OpenArchive(bare)
	require.ErrorIs(t, err, ErrAbsent)

	var archive bytes.Buffer
	_, err = Write(&archive, tree(t, sample))
	require.NoError(t, err)
	damaged := archive.Bytes()
	at := bytes.Index(damaged, []byte("containerd")) + len("containerd") + 30
	damaged[at] ^= 0xff
	require.NoError(t, os.WriteFile(bare, damaged, 0o755))
	p, err := OpenArchive(bare)
	if err == nil {
		dataDir := t.TempDir()
		_, err = p.Extract(dataDir)
		require.Error(t, err)
		left, readErr := os.ReadDir(filepath.Join(dataDir, "bin"))
		require.NoError(t, readErr)
		require.Len(t, left, 1, "only the lock file may remain")
	}
}
