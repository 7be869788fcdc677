package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func board1(uid, title string) string {
	return fmt.Sprintf("{\n  \"uid\": %q,\n  \"title\": %q,\n  \"panels\": [\n    {\"type\": \"text\"}\n  ]\n}\n", uid, title)
}

func TestParse(t *testing.T) {
	o, err := Parse("dashboards/x.json", []byte(`{"uid":"shop_1","title":"Shop","description":"what it sells","tags":["a","b"],"panels":[{"type":"row","panels":[{"type":"stat"}]}]}`))
	if err != nil || o.UID != "shop_1" || o.Title != "Shop" || o.Description != "what it sells" || strings.Join(o.Tags, " ") != "a b" || o.File != "dashboards/x.json" {
		t.Errorf("%+v %v", o, err)
	}
	shipped, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range shipped { // what Slipway prints can be kept, under another UID
		own := bytes.Replace(d.JSON, []byte(UID(d.Name)), []byte("my-"+d.Name), 1)
		if o, err := Parse(d.Name, own); err != nil || o.Title != d.Title {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":         {"", "x.json:1:1: the text ends before the value does"},
		"a comma":         {"{\n  \"uid\": \"a\",\n}", "x.json:3:1: invalid character '}'"},
		"cut off":         {"{\n  \"uid\": \"a\",\n \"title\": \"ä\"\n\n", "x.json:3:14: the text ends"},
		"more":            {board1("a", "A") + "{}", "x.json:8:1: invalid character '{' after top-level value"},
		"no text":         {"\xff\xfe{}", "x.json:1:1: it is not UTF-8"},
		"bad byte":        {"{\"title\":\n\"ää\xff\"}", "x.json:2:4: it is not UTF-8"},
		"a mark":          {"\ufeff{}", "byte order mark"},
		"a list":          {"[]", "x.json:1:1: a dashboard is an object, not a list"},
		"twice":           {"{\"uid\":\"a\",\n\"uid\":\"b\"}", "x.json:2:1: \"uid\" is there twice"},
		"deep":            {`{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", "more than 64 values are within one another"},
		"large":           {`{"x":"` + strings.Repeat("a", MaxBytes) + `"}`, "x.json: larger than 1024 KiB"},
		"no title":        {`{"uid":"a","panels":[{"type":"text"}]}`, "x.json:1:1: title is missing"},
		"empty title":     {`{"title":" "}`, "x.json:1:10: title is empty"},
		"number as title": {"{\n\t\"title\" : 7}", "x.json:2:12: title: want a string, not a number"},
		"no uid":          {`{"title":"A","panels":[{"type":"text"}]}`, "uid is missing"},
		"null as uid":     {`{"title":"A","uid":null}`, "x.json:1:20: uid: want a string, not null"},
		"bad uid":         {board1("a/b", "A"), `x.json:2:10: uid "a/b": want at most 40 letters`},
		"our uid":         {board1("slipway-cluster", "A"), "are of dashboards that ship"},
		"no panels":       {"{\"title\":\"A\",\"uid\":\"a\"}", "x.json:1:1: panels: want a list"},
		"empty panels":    {"{\"title\":\"A\",\"uid\":\"a\",\n\"panels\":[]}", "x.json:2:10: it has no panels"},
		"panels of text":  {"{\"title\":\"A\",\"uid\":\"a\",\"panels\":[\n\"x\"]}", "x.json:2:1: panels: want objects, not a string"},
		"no type":         {"{\"title\":\"A\",\"uid\":\"a\",\"panels\":[\n {\"id\":1}]}", "x.json:2:2: type is missing"},
		"in a row":        {"{\"title\":\"A\",\"uid\":\"a\",\"panels\":[{\"type\":\"row\",\"panels\":[\n {}]}]}", "x.json:2:2: type is missing"},
		"many":            {`{"title":"A","uid":"a","panels":[` + strings.Repeat(`{"type":"text"},`, maxOwn) + `{"type":"text"}]}`, "more than 400 panels"},
		"library":         {`{"title":"A","uid":"a","panels":[{"libraryPanel":{}}]}`, "a library panel"},
		"answer":          {`{"meta":{},"dashboard":{"title":"A"}}`, `x.json:1:24: it is an answer of Grafana's API`},
		"resource":        {`{"apiVersion":"dashboard.grafana.app/v2","kind":"Dashboard","spec":{}}`, "export it as classic JSON"},
		"old":             {`{"title":"A","rows":[]}`, `x.json:1:21: it has the "rows" of Grafana 4`},
		"tags":            {`{"title":"A","uid":"a","panels":[{"type":"text"}],"tags":[1]}`, "tags: want strings"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("x.json", []byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !errors.As(err, new(Problem)) {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

const configMaps = `apiVersion: v1
kind: ConfigMap
metadata:
  name: boards
  labels: {grafana_dashboard: "1"}
data:
  note.txt: no dashboard
  "../x.json": "{}"
  good.json: |
    {"uid": "in-map", "title": "In a map", "panels": [{"type": "text"}]}
  bad.json: |-
    {
      "uid": "b",
    }
---
kind: ConfigMap
metadata: {name: other}
data: {x.json: "{"}
---
kind: Deployment
`

func TestRead(t *testing.T) {
	all, bad := Read([]File{
		{Path: "dashboards/b.json", Data: []byte(board1("same", "B"))},
		{Path: "dashboards/a.json", Data: []byte(board1("same", "A"))},
		{Path: "dashboards/c.json", Data: []byte("{")},
		{Path: "dashboards/d.json", Refused: "is a symbolic link"},
		{Path: "dashboards/e.yaml", Data: []byte(configMaps)},
		{Path: "dashboards/f.yml", Data: []byte("a: b\n\tc: d\n")},
		{Path: "dashboards/e#x.json", Data: []byte("[")},
		{Path: "dashboards/g.json", Data: []byte(board1("theirs", "G"))},
	}, map[string]string{"theirs": "dashboards/x.json of repository shop"})
	var got []string
	for _, o := range all {
		got = append(got, o.File+" "+o.UID+" "+o.Title)
	}
	if strings.Join(got, ", ") != "dashboards/a.json same A, dashboards/e.yaml#good.json in-map In a map" {
		t.Errorf("read %q", got)
	}
	want := []string{
		`dashboards/b.json:2:10: uid "same" is that of dashboards/a.json`, "dashboards/c.json:1:2: the text ends", "dashboards/d.json: is a symbolic link", "dashboards/e#x.json:1:2: the text ends",
		`dashboards/e.yaml:8:3: key "../x.json": a valid config key`, "dashboards/e.yaml:14:1: bad.json: invalid character '}'", "dashboards/f.yml:2:1: ",
		`dashboards/g.json:2:10: uid "theirs" is that of dashboards/x.json of repository shop`,
	}
	if len(bad) != len(want) {
		t.Fatalf("problems %v", bad)
	}
	for i, w := range want {
		if !strings.HasPrefix(bad[i].Error(), w) {
			t.Errorf("%v, want %s", bad[i], w)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	var many, large []File
	for i := range MaxFiles + 1 {
		many = append(many, File{Path: fmt.Sprintf("dashboards/%03d.json", i), Data: []byte(board1(fmt.Sprint("u", i), "T"))})
	}
	for i := range 10 {
		text := strings.Replace(board1(fmt.Sprint("u", i), "T"), "{\n", `{"x":"`+strings.Repeat("a", MaxBytes-1000)+`",`, 1)
		large = append(large, File{Path: fmt.Sprintf("dashboards/%d.json", i), Data: []byte(text)})
	}
	for want, files := range map[string][]File{"may have 100 dashboards": many, "8 MiB together": large} {
		if _, bad := Read(files, nil); len(bad) == 0 || !strings.Contains(bad[0].Message, want) || bad[0].Line == 0 {
			t.Errorf("%v, want %s", bad, want)
		}
	}
}

// TestReadTellsSoMuch: one ConfigMap may have thousands of keys.
func TestReadTellsSoMuch(t *testing.T) {
	text := "kind: ConfigMap\nmetadata: {labels: {grafana_dashboard: '1'}}\ndata:\n"
	for i := range 5000 {
		text += fmt.Sprintf("  k%d.json: '{'\n", i)
	}
	all, bad := Read([]File{{Path: "dashboards/a.yaml", Data: []byte(text)}, {Path: "dashboards/b.json", Data: []byte(board1("b", "B"))}, {Path: "dashboards/c.json", Data: []byte("{")}}, nil)
	if len(all) != 0 || len(bad) > maxProblems+3 || bad[len(bad)-1].Error() != "dashboards/c.json: it is not read: so much else is wrong" || bad[len(bad)-2].File != "dashboards/b.json" {
		t.Errorf("%d dashboards, %d problems: %v", len(all), len(bad), bad[len(bad)-1])
	}
}

// FuzzRead: what is read has all that is asked of it and is JSON, and a place lies within
// its file.
func FuzzRead(f *testing.F) {
	f.Add("a.json", []byte(board1("a", "A")))
	f.Add("a.json", []byte(`{"title":"A","uid":"a","panels":[{"type":"row","panels":null}],"tags":null}`))
	f.Add("a.json", []byte("{\"title\":\n\"\\ud800\",}"))
	f.Add("a.yaml", []byte(configMaps))
	f.Add("a.yaml", []byte("kind: ConfigMap\nmetadata: {labels: {grafana_dashboard: '1'}}\ndata: {x.json: *y}\n"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		all, bad := Read([]File{{Path: name, Data: data}}, nil)
		for _, o := range all {
			if !ValidUID(o.UID) || strings.TrimSpace(o.Title) == "" || !json.Valid(o.JSON) || len(o.JSON) > MaxBytes {
				t.Errorf("%+v", o)
			}
		}
		for _, p := range bad {
			if p.Message == "" || p.Line < 0 || p.Line > bytes.Count(data, []byte("\n"))+len(data)+2 {
				t.Errorf("%+v", p)
			}
		}
	})
}

func TestCollectIsBounded(t *testing.T) {
	entries := []Entry{{Path: "dashboards/README.md", Size: 1 << 30}, {Path: "dashboards/.x.json"}, {Path: "dashboards/l.json", Not: "a symbolic link"}, {Path: "dashboards/huge.json", Size: MaxBytes + 1}}
	for i := range 200 {
		entries = append(entries, Entry{Path: fmt.Sprintf("dashboards/%d.json", i), Size: MaxBytes / 10})
	}
	reads := 0
	files, err := Collect(entries, func(string) ([]byte, error) { reads++; return []byte("{}"), nil })
	if err != nil || len(files) != MaxFiles+1 || reads != 80 {
		t.Errorf("%d files, %d read, %v", len(files), reads, err)
	}
	for i, want := range map[int]string{0: "it is a symbolic link", 1: "larger than", 82: "8 MiB together", MaxFiles: "may have 100 files"} {
		if !strings.Contains(files[i].Refused, want) {
			t.Errorf("%s: %s, want %s", files[i].Path, files[i].Refused, want)
		}
	}
}
