package run

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxRemembered files elsewhere are held, each of at most a MiB.
const maxRemembered = 32

// Remembered gives a fetcher of files a memory: what was fetched no longer ago than a
// file says with include:cache is taken from there. Files are public, so that one
// memory serves all namespaces.
func Remembered(fetch func(ctx context.Context, url string) ([]byte, error), now func() time.Time) func(ctx context.Context, url string, within time.Duration) ([]byte, error) {
	type file struct {
		content []byte
		at      time.Time
	}
	files, err := lru.New[string, file](maxRemembered)
	if err != nil {
		panic(err) // the size is ours
	}
	return func(ctx context.Context, url string, within time.Duration) ([]byte, error) {
		at := now()
		if f, ok := files.Get(url); ok && at.Sub(f.at) < within {
			return f.content, nil
		}
		content, err := fetch(ctx, url)
		if err == nil && within > 0 {
			files.Add(url, file{content, at})
		}
		return content, err
	}
}
