package render

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindChart(t *testing.T) {
	index := "apiVersion: v1\nentries:\n  shop:\n"
	for i := range 30 {
		index += fmt.Sprintf("  - {version: 1.%d.0, urls: [shop-%d.tgz], digest: abc}\n", i, i)
	}
	e, err := findChart([]byte(index), "shop", "~1.4")
	require.NoError(t, err)
	require.Equal(t, &IndexEntry{Version: "1.4.0", URLs: []string{"shop-4.tgz"}, Digest: "abc"}, e)
	e, err = findChart([]byte(`{"entries":{"shop":[{"version":"1.0.0","urls":["x"]}]}}`), "shop", "")
	require.NoError(t, err, "JSON is YAML")
	require.Equal(t, "1.0.0", e.Version)
}

// Threat 9: an index that is larger, or means more, than it should.
func TestHostileIndexes(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := "*" + string(c-1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat(p+",", 8) + p + "]\n"
	}
	e, err := findChart([]byte(bomb+"entries: {shop: [{version: 1.0.0, urls: [x]}]}"), "shop", "")
	require.NoError(t, err, "aliases are not followed")
	require.Equal(t, "1.0.0", e.Version)
	for name, c := range map[string]struct{ index, want string }{
		"alias":    {bomb + "entries: {shop: *j}", "is not in the repository"},
		"many":     {"entries: {shop: [" + strings.Repeat("{version: 1.0.0},", 20_001) + "]}", "more than 20000 versions"},
		"syntax":   {"a: [", "index.yaml:1: "},
		"depth":    {strings.Repeat("[", 200_000), "index.yaml"},
		"no urls":  {"entries: {shop: [{version: 1.0.0}]}", "there is no version of it"},
		"long":     {"entries: {shop: [{version: " + strings.Repeat("9", 3000) + ", urls: [x]}]}", "no version of it"},
		"non-text": {"entries: {shop: [{version: [1], urls: {a: b}}]}", "there is no version"},
	} {
		_, err := findChart([]byte(c.index), "shop", "")
		require.ErrorContains(t, err, c.want, name)
		var refusal *Error
		require.ErrorAs(t, err, &refusal)
	}
	dir := write(t, nil)
	f, err := os.Create(dir + "/index.yaml")
	require.NoError(t, err)
	require.NoError(t, f.Truncate(maxIndexBytes+1))
	require.NoError(t, f.Close())
	_, err = new(Runner).Find(t.Context(), dir, IndexQuery{File: "index.yaml", Chart: "shop"})
	require.ErrorContains(t, err, "larger than 48 MiB")
}

// The child holds an index as large as any.
func TestLargeIndex(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nentries:\n")
	for c := range 200 {
		fmt.Fprintf(&b, "  chart%d:\n", c)
		for v := range 100 {
			fmt.Fprintf(&b, "  - apiVersion: v2\n    version: 1.%d.0\n    description: %s\n    digest: %064d\n    urls: [https://charts.example/c-%d.tgz]\n    keywords: [a, b, c]\n", v, strings.Repeat("words ", 80), v, v)
		}
	}
	dir := write(t, map[string]string{"index.yaml": b.String()})
	e, err := new(Runner).Find(t.Context(), dir, IndexQuery{File: "index.yaml", Chart: "chart7", Version: "1.x"})
	require.NoError(t, err)
	require.Equal(t, "1.99.0", e.Version)
	t.Logf("an index of %d MiB", b.Len()>>20)
}

func FuzzFindChart(f *testing.F) {
	for _, seed := range []string{"entries: {shop: [{version: 1.0.0, urls: [x], digest: y}]}", "entries: &a {shop: *a}", `{"entries":{}}`, "a: !!binary x"} {
		f.Add([]byte(seed), "^1")
	}
	f.Fuzz(func(t *testing.T, data []byte, version string) {
		if e, err := findChart(data, "shop", version); err == nil && (e == nil || len(e.URLs) == 0) {
			t.Fatal("found nothing without an error")
		}
	})
}

func FuzzJob(f *testing.F) {
	f.Add([]byte(`{"render":{"path":"deploy"}}`))
	f.Add([]byte(`{"decrypt":{"keys":["x"],"files":["../a"]}}`))
	f.Add([]byte(`{"find":{"file":"/etc/passwd"}}`))
	dir := write(f, map[string]string{"deploy/a.yaml": deployment})
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := os.OpenRoot(dir)
		require.NoError(t, err)
		defer root.Close()
		j, err := readJob(strings.NewReader(string(data)))
		if err == nil {
			_, _ = j.do(root, nil)
		}
	})
}
