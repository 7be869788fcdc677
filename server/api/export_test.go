package api

import (
	"strings"
	"testing"
)

// TestRowsAs writes rows in each form, however they are cut on their way.
func TestRowsAs(t *testing.T) {
	rows := `{"_time":"2026-01-02T03:04:05Z","pod":"shop-1","container":"web","release":"shop-3","_msg":"a \"b\",\nc"}` + "\n" + `{"_msg":"=1+1"}` + "\n"
	for form, want := range map[string]string{
		"":    rows,
		"raw": "a \"b\",\nc\n=1+1\n",
		"csv": "time,namespace,pod,container,application,release,commit,run,job,message\n" +
			"2026-01-02T03:04:05Z,,shop-1,web,,shop-3,,,,\"a \"\"b\"\",\nc\"\n,,,,,,,,,'=1+1\n",
	} {
		for size := 1; size <= len(rows); size += 7 {
			var b strings.Builder
			w, _, _, err := rowsAs(form, &b)
			if err != nil {
				t.Fatal(err)
			}
			for rest := rows; rest != ""; {
				n := min(size, len(rest))
				if _, err := w.Write([]byte(rest[:n])); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if b.String() != want {
				t.Errorf("%s in parts of %d:\n%s\nwant\n%s", form, size, b.String(), want)
			}
		}
	}
	if _, _, _, err := rowsAs("xml", nil); err == nil || !strings.Contains(err.Error(), "xml") {
		t.Errorf("xml: %v", err)
	}
	w, _, _, _ := rowsAs("raw", &strings.Builder{})
	if _, err := w.Write(make([]byte, maxRow+1)); err == nil {
		t.Error("a row without an end is kept")
	}
}
