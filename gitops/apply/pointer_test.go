package apply

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPointers(t *testing.T) {
	o := parse(t, "spec: {a: {b: 1}, 'x/y': {'~': 2}, list: [{k: 1}, {k: 2}, {k: 3}]}")[0].Object
	for text, want := range map[string]any{"/spec/a/b": 1.0, "/spec/x~1y/~0": 2.0, "/spec/list/1/k": 2.0} {
		p, err := parsePointer(text)
		require.NoError(t, err)
		got, ok := p.get(o)
		require.True(t, ok, text)
		require.EqualValues(t, want, got)
	}
	for _, text := range []string{"/spec/list/9", "/spec/list/-1", "/spec/list/x", "/spec/a/b/c", "/none"} {
		p, err := parsePointer(text)
		require.NoError(t, err)
		_, ok := p.get(o)
		require.False(t, ok, text)
		p.remove(o)
		p.set(o, 1)
	}
	p, _ := parsePointer("/spec/list/0")
	require.True(t, p.inList(o))
	require.Equal(t, ".spec.list[0]", p.String())
	p.remove(o)
	got, _ := pointer{"spec", "list", "0", "k"}.get(o)
	require.EqualValues(t, 2, got)
	pointer{"spec", "a", "b"}.remove(o)
	_, ok := pointer{"spec", "a"}.get(o)
	require.False(t, ok, "an empty mapping goes with what it held")
	_, err := parsePointer("spec/a")
	require.ErrorContains(t, err, "is not a JSON pointer")
}

func FuzzPointers(f *testing.F) {
	for _, s := range []string{"/spec/a", "/spec/list/0/n", "/~1~0", "/", "//", "/spec/list/99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePointer(text)
		if err != nil {
			return
		}
		o := parse(t, "spec: {a: {b: 1}, list: [{n: 1}, [1, 2]]}")[0].Object
		value, ok := p.get(o)
		p.set(o, value)
		p.remove(o)
		_ = p.inList(o)
		if _, still := p.get(o); ok && still && p[len(p)-1] != "0" && p[len(p)-1] != "1" {
			t.Fatalf("%q is still there", text)
		}
	})
}
