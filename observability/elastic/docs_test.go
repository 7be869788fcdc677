package elastic

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the rows that docs/elasticsearch.md lacks")

const docsPage = "../../docs/elasticsearch.md"

// members are those of a search that are promised, with the form that a body has them in.
var members = []string{"query", "sort", "from", "size", "search_after", "_source", "fields", "track_total_hits", "aggs"}

// beneath are the APIs below those of the tables that route has.
var beneath = []string{"_cat/indices", "_cat/count", "_cat/health", "_cluster/health", "_ilm/policy", "_ilm/explain", "_ilm/status", "_resolve/index", "_mapping/field", "_security/_authenticate", "_ingest/pipeline"}

// shownIn says how a kind of request looks in the test that shows it.
var shownIn = []struct {
	head  string
	in    string // the test that most are in
	names func() []string
	form  func(name string) string
}{
	{"request", "TestAPIs", func() []string {
		all := slices.Concat(slices.Collect(maps.Keys(system)), slices.Collect(maps.Keys(ofIndex)), beneath)
		slices.Sort(all)
		return slices.DeleteFunc(slices.Compact(all), func(n string) bool {
			return slices.ContainsFunc(beneath, func(b string) bool { return strings.HasPrefix(b, n+"/") && n != "_mapping" })
		})
	}, func(name string) string { return `/` + regexp.QuoteMeta(name) + `\b` }},
	{"query", "TestQueries", func() []string { return slices.Sorted(maps.Keys(queries)) }, func(name string) string { return "[`:\\[]\\{\"" + name + `":\{` }},
	{"member of a search", "TestSearchMembers", func() []string { return members }, func(name string) string { return `"` + name + `":` }},
	{"aggregation", "TestAggregations", func() []string { return slices.Sorted(maps.Keys(aggregations)) }, func(name string) string { return `"\w+":\{"` + name + `":\{` }},
}

// tests are the sources of this package's tests by their names.
func tests(t *testing.T) map[string]string {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(b), "\nfunc ")[1:] {
			name, _, _ := strings.Cut(part, "(")
			body, _, _ := strings.Cut(part, "\n}\n")
			if strings.HasPrefix(name, "Test") && name != "TestDocs" {
				all[name] = body
			}
		}
	}
	return all
}

// TestDocs: the tables of docs/elasticsearch.md name every request, query, member of a
// search and aggregation that there is, each with a test that has it. With -update, rows
// are written for what is missing.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	page, all := string(b), tests(t)
	for _, s := range shownIn {
		head := "| " + s.head + " | shown by |\n|---|---|\n"
		before, after, ok := strings.Cut(page, head)
		if !ok {
			t.Fatalf("docs/elasticsearch.md has no table of each %s", s.head)
		}
		rows := map[string]string{}
		rest := after
		for strings.HasPrefix(rest, "| `") {
			line, more, _ := strings.Cut(rest, "\n")
			rest = more
			if c := strings.Split(strings.Trim(line, "| "), " | "); len(c) == 2 {
				rows[strings.Trim(c[0], "`")] = strings.Trim(c[1], "`")
			}
		}
		written := ""
		for _, name := range s.names() {
			form := regexp.MustCompile(s.form(name))
			by := rows[name]
			delete(rows, name)
			if by == "" && *update {
				for _, test := range append([]string{s.in}, slices.Sorted(maps.Keys(all))...) {
					if form.MatchString(all[test]) {
						by = test
						break
					}
				}
			}
			written += "| `" + name + "` | `" + by + "` |\n"
			if by == "" {
				t.Errorf("docs/elasticsearch.md has no row for the %s %s", s.head, name)
			} else if !form.MatchString(all[by]) {
				t.Errorf("%s %s: the test %s does not have it", s.head, name, by)
			}
		}
		for name := range rows {
			t.Errorf("docs/elasticsearch.md has a row for the %s %s, which there is none of", s.head, name)
		}
		page = before + head + written + rest
	}
	if *update {
		if err := os.WriteFile(docsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
