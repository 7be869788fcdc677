package seed

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cacheEntry is what Go writes: identifiers, and numbers in columns of 20.
func cacheEntry(time string) string {
	return "v1 " + strings.Repeat("a", 64) + " " + strings.Repeat("b", 64) + "                   35  " + time + "\n"
}

// goCacheAt is a build cache as Go leaves it, filled at that time.
func goCacheAt(t *testing.T, time string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"00/00a-a": cacheEntry(time), "00/00b-d": "an archive", "00/00c-d": "go index v2\n" + time,
		"README": "about", "trim.txt": time, "01/01a-d/program": "an executable",
	} {
		write(t, filepath.Join(dir, name), content)
	}
	return dir
}

func TestPackGoCache(t *testing.T) {
	var packed [2]string
	for i, time := range []string{"1795477826295359606", "1895477826295359606"} {
		to := filepath.Join(t.TempDir(), "layer.tar")
		require.NoError(t, packGoCache(to, goCacheAt(t, time)))
		data, err := os.ReadFile(to)
		require.NoError(t, err)
		packed[i] = string(data)
	}
	require.True(t, packed[0] == packed[1], "equal content gives equal layers, whenever it was made")

	content := map[string]string{}
	for r := tar.NewReader(strings.NewReader(packed[0])); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		content[h.Name] = string(data)
		require.NotZero(t, h.Mode&0o022, "%s is writable by whoever the job runs as", h.Name)
	}
	require.Equal(t, map[string]string{
		"go/cache/": "", "go/cache/00/": "", "go/cache/01/": "",
		"go/cache/00/00a-a": cacheEntry(" 946684800000000000"), "go/cache/00/00b-d": "an archive",
	}, content)
}

func TestPackGoCacheRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, entry := range []string{"", "v1 a b 35 17\nmore", "v2 a b 35 17\n", "v1 a b\n"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "00", "00a-a"), entry)
		require.Error(t, packGoCache(filepath.Join(t.TempDir(), "layer.tar"), dir), "%q", entry)
	}
}
