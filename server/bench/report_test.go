package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("median of %v: %v, want %v", tc.values, got, tc.want)
		}
	}
}

// TestRatio is that of the rounds, which one slow round does not move.
func TestRatio(t *testing.T) {
	r := newReport()
	for _, pair := range [][2]float64{{1, 1.1}, {10, 11}, {2, 8}} {
		r.against("base", "s", pair[0], "base")
		r.against("other", "s", pair[1], "base")
	}
	r.complete()
	if f := r.find("other"); f.Ratio < 1.09 || f.Ratio > 1.11 || f.Median != 8 {
		t.Errorf("ratio %v, median %v", f.Ratio, f.Median)
	}
	if f := r.find("base"); f.Against != "" || f.Ratio != 0 {
		t.Errorf("the base is compared with itself: %+v", f)
	}
}

// TestPrinted: the table comes first, then the same as JSON, which the file has too.
func TestPrinted(t *testing.T) {
	r := newReport()
	r.add("to the moon", "s", 2)
	r.add("to the moon", "s", 4)
	file := filepath.Join(t.TempDir(), "bench.json")
	if err := r.write(file); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	table, text, found := strings.Cut(out.String(), "{")
	if !found || !strings.Contains(table, "WHAT") || !strings.Contains(table, "to the moon  3.00 s") {
		t.Errorf("no table, or nothing after it:\n%s", out.String())
	}
	kept, err := os.ReadFile(file)
	if err != nil || string(kept) != "{"+text {
		t.Errorf("the file has other figures: %v\n%s", err, kept)
	}
	var read report
	if err := json.Unmarshal(kept, &read); err != nil || len(read.Figures) != 1 || !reflect.DeepEqual(read.Figures[0].Rounds, []float64{2, 4}) || read.Figures[0].Median != 3 {
		t.Errorf("%v: %+v", err, read)
	}
}
