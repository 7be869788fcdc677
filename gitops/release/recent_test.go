package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"slipway.dev/registry/artifacts"
)

// counting counts what is read below.
type counting struct {
	*sets
	mu    sync.Mutex
	reads int
}

func (c *counting) Get(ctx context.Context, repository, tag string) (io.ReadCloser, error) {
	c.mu.Lock()
	c.reads++
	c.mu.Unlock()
	return c.sets.Get(ctx, repository, tag)
}

func TestRecent(t *testing.T) {
	ctx := t.Context()
	below := &counting{sets: &sets{content: map[string][]byte{}}}
	r := NewRecent(below)
	put := func(tag, content string) {
		t.Helper()
		_, size, err := r.Put(ctx, "default/a/releases", tag, mediaType, strings.NewReader(content))
		require.NoError(t, err)
		require.EqualValues(t, len(content), size)
	}
	get := func(tag string) string {
		t.Helper()
		rc, err := r.Get(ctx, "default/a/releases", tag)
		require.NoError(t, err)
		data, err := io.ReadAll(rc)
		require.NoError(t, err)
		require.NoError(t, rc.Close())
		return string(data)
	}
	put("one", "first")
	put("one", "second")
	require.Equal(t, "second", get("one"))
	require.Zero(t, below.reads, "what was just put is not read again")

	_, _, err := r.Put(ctx, "default/a/releases", "one", mediaType, io.MultiReader(strings.NewReader("third"), iotest.ErrReader(errors.New("broken"))))
	require.Error(t, err)
	require.Equal(t, "second", get("one"))
	require.Equal(t, 1, below.reads, "after a failure it is not known what is stored")

	large := strings.Repeat("x", maxRecentSet+1)
	put("large", large)
	require.Equal(t, large, get("large"))
	require.Equal(t, 2, below.reads, "what is large is not remembered")

	require.NoError(t, r.Delete(ctx, "default/a/releases", "one"))
	_, err = r.Get(ctx, "default/a/releases", "one")
	require.ErrorIs(t, err, artifacts.ErrNotFound)
}

func TestRecentIsBounded(t *testing.T) {
	below := &counting{sets: &sets{content: map[string][]byte{}}}
	r := NewRecent(below)
	content := bytes.Repeat([]byte("x"), maxRecentSet)
	n := 2 * maxRecent / maxRecentSet
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, _, err := r.Put(t.Context(), "default/a/releases", fmt.Sprint(i), mediaType, bytes.NewReader(content))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, maxRecent, r.size)
	require.Equal(t, maxRecent/maxRecentSet, r.kept.Len())
	for i := range n {
		rc, err := r.Get(t.Context(), "default/a/releases", fmt.Sprint(i))
		require.NoError(t, err)
		data, err := io.ReadAll(rc)
		require.NoError(t, err)
		require.Equal(t, content, data)
	}
	require.Equal(t, n/2, below.reads)
}
