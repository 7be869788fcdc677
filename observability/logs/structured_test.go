package logs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestStructured(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 10) + "1" + strings.Repeat("}", 10)
	for _, tc := range []struct{ line, want string }{
		{`{"level":"error","msg":"no route","n":1.50,"big":12345678901234567890,"ok":true,"none":null,"empty":""}`, `big=12345678901234567890 level=error msg=no route n=1.50 ok=true`},
		{`{"http":{"status":500,"headers":{"a-b":"c"}},"tags":["x",1]}`, `http.headers.a-b=c http.status=500 tags=["x",1]`},
		// No line says whose it is.
		{`{"namespace":"other","pod":"p","application":"a","release":"r","_msg":"m","_time":"t","labels":{"app":"x"},"message":"hello","left_out":"y"}`,
			`record.application=a record.labels.app=x record.left_out=y record.message=hello record.namespace=other record.pod=p record.release=r record._msg=m record._time=t`},
		{`{"record":{"namespace":"x"}}`, "record.record.namespace=x"},
		{`{"a":{"b":1},"a.b":2}`, "a.b=1"},
		{"plain text", ""},
		{`{"half`, ""},
		{`{"a":1} {"b":2}`, ""},
		{`{"a":1} trailing }`, ""},
		{`[1]`, ""},
		{`{}`, ""},
		{deep, `a.a.a.a.a={"a":{"a":{"a":{"a":{"a":1}}}}}`},
		{`{"long":"` + strings.Repeat("x", maxOwnValue+1) + `","a":"b"}`, "a=b left_out=long"},
		{`{"` + strings.Repeat("n", maxFieldName+1) + `":"x"}`, "left_out=" + strings.Repeat("n", 60)},
		{`{"a":"\u0000\ud800"}`, "a=\x00\uFFFD"},
	} {
		var s structured
		var got []string
		for _, f := range s.fields(tc.line) {
			got = append(got, f.Name+"="+f.Value)
		}
		slices.Sort(got)
		if joined := strings.Join(got, " "); sorted(joined) != sorted(tc.want) {
			t.Errorf("%.80s: %q, want %q", tc.line, joined, tc.want)
		}
	}
	// Names that change with each line end at some time, and say so.
	var s structured
	for i := range maxOwnNames + 10 {
		fields := s.fields(fmt.Sprintf(`{"id-%d":"x"}`, i))
		if left := fields[0].Name == LeftOut; left != (i >= maxOwnNames) {
			t.Fatalf("line %d: %v", i, fields)
		}
	}
	if got := s.fields(`{"id-1":"x"}`); len(got) != 1 || got[0].Name != "id-1" {
		t.Errorf("a known name is left out: %v", got)
	}
	many := make([]string, maxOwnFields+5)
	for i := range many {
		many[i] = fmt.Sprintf(`"f%03d":1`, i)
	}
	s = structured{}
	if got := s.fields("{" + strings.Join(many, ",") + "}"); len(got) != maxOwnFields+1 || got[maxOwnFields].Name != LeftOut {
		t.Errorf("%d fields of a line", len(got))
	}
}

// sorted has the words of a text in order.
func sorted(s string) string {
	words := strings.Fields(s)
	slices.Sort(words)
	return strings.Join(words, " ")
}

func FuzzStructured(f *testing.F) {
	for _, line := range []string{`{"a":{"b":[1,null,"x"]}}`, `{"namespace":"x"}`, `{`, "\x00", `{"a":1}}`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var s structured
		for _, field := range s.fields(line) {
			if field.Name != LeftOut && (slices.Contains(reserved, field.Name) || strings.HasPrefix(field.Name, "_") || len(field.Name) > maxFieldName) {
				t.Fatalf("%q of %q", field.Name, line)
			}
		}
	})
}

// TestAClockFarAhead: the store would drop what is of next week; such a line is kept as of
// now, and says what it claimed.
func TestAClockFarAhead(t *testing.T) {
	now := time.Now()
	for ahead, claimed := range map[time.Duration]bool{0: false, 47 * time.Hour: false, 7 * 24 * time.Hour: true} {
		at := now.Add(ahead)
		row := event{time: 1, fields: map[string]string{timeField: strconv.FormatInt(at.UnixNano(), 10), "namespace": "default", "_msg": "x"}}.own()
		if claimed != (row.Get("claimed_time") == at.UTC().Format(time.RFC3339Nano)) || claimed != (row.Time != at.UnixNano()) || row.Time > now.Add(FutureRetention).UnixNano() {
			t.Errorf("%s ahead: %+v", ahead, row)
		}
	}
}
