package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestACrashBeforeTheNamesAreOnDisk: rows whose stream's names are lost are found, once each,
// beside those that have theirs, and after a crash while they are put back.
func TestACrashBeforeTheNamesAreOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	at := time.Now()
	var rows []Row
	for i := range 20 {
		rows = append(rows, NewRow(at.Add(time.Duration(i)).UnixNano(), map[string]string{"namespace": "default", "pod": fmt.Sprint("shop-", i%2), "container": "web", "_msg": fmt.Sprint("line ", i)}))
	}
	// One is ahead of the clock.
	rows = append(rows, NewRow(at.Add(24*time.Hour).UnixNano(), map[string]string{"namespace": "default", "pod": "shop-0", "container": "web", "_msg": "line 20"}))
	if err := s.Keep("torn", rows); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	// As if the index had not been written yet.
	indices, err := filepath.Glob(filepath.Join(dir, "rows", "partitions", "*", "indexdb"))
	if err != nil || len(indices) != 2 {
		t.Fatalf("%v %v", indices, err)
	}
	for _, index := range indices {
		if err := os.RemoveAll(index); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(index, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(index, "parts.json"), []byte("[]"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the chunk is still in the chunk log at the second start
		s = openStore(t, dir)
		s.Flush()
		counted, times := 0, map[string]int{}
		if err := s.Select(t.Context(), Selection{Every: true, Text: "* | stats count() n"}, func(f []Field) { _, _ = fmt.Sscan(f[0].Value, &counted) }); err != nil {
			t.Fatal(err)
		}
		if err := s.Select(t.Context(), Selection{Every: true, Text: "*"}, func(fields []Field) {
			for _, f := range fields {
				if f.Name == "_msg" {
					times[f.Value]++
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		if counted != len(rows) || len(times) != len(rows) {
			t.Errorf("%d rows are counted and %d are found, of %d", counted, len(times), len(rows))
		}
		for line, n := range times {
			if n != 1 {
				t.Errorf("%s is there %d times", line, n)
			}
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
}
