package gitlab

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	docsPage   = "../../docs/gitlab-ci.md"
	worksHead  = "| keyword | here | compiled | executed |\n|---|---|---|---|\n"
	refuseHead = "| keyword | here | lines | what is said |\n|---|---|---|---|\n"
)

// row of one of the tables.
type row struct{ keyword, here, shown, executed string }

func (r row) String() string {
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", r.keyword, r.here, r.shown, r.executed)
}

// table below a head, and where it is in the page.
func table(page, head string) (rows map[string]row, from, to int) {
	rows = map[string]row{}
	at := strings.Index(page, head)
	if at < 0 {
		return rows, 0, 0
	}
	from = at + len(head)
	for to = from; strings.HasPrefix(page[to:], "| "); {
		line, _, _ := strings.Cut(page[to:], "\n")
		to += len(line) + 1
		if c := strings.Split(strings.Trim(line, "| "), " | "); len(c) == 4 {
			rows[strings.Trim(c[0], "`")] = row{strings.Trim(c[0], "`"), c[1], c[2], c[3]}
		}
	}
	return rows, from, to
}

// TestDocs: the tables of docs/gitlab-ci.md name every keyword there is, and what they
// name shows it: a file that compiles has it at its place, a file that runs on the
// cluster does, and what is refused says what the page says. With -update, rows that
// are missing are written.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	all := allKeywords()
	if *update {
		page = written(t, page, all)
	}
	works, _, _ := table(page, worksHead)
	refused, _, _ := table(page, refuseHead)
	for _, k := range all {
		r, ok := works[k.name]
		delete(works, k.name)
		if k.refused {
			r, ok = refused[k.name]
			delete(refused, k.name)
		}
		switch {
		case !ok:
			t.Errorf("docs/gitlab-ci.md has no row for %s", k.name)
		case k.refused:
			refuses(t, k, r)
		default:
			compiles(t, k, r)
			executed(t, k, r)
		}
	}
	for name := range works {
		t.Errorf("%s is in the table, and is no keyword that works", name)
	}
	for name := range refused {
		t.Errorf("%s is in the table, and is no keyword that is refused", name)
	}
}

func refuses(t *testing.T, k *keyword, r row) {
	_, problems := Compile(File, []byte(strings.Trim(r.shown, "`")), context(""))
	for _, p := range problems {
		if p.Rule == ruleUnsupported && p.Message == r.executed && r.here == "refused" {
			return
		}
	}
	t.Errorf("%s: %s is not refused with %q: %v", k.name, r.shown, r.executed, problems)
}

func compiles(t *testing.T, k *keyword, r row) {
	files := archivedOrCorpus(t, r.shown)
	if r.here != "works" || strings.HasPrefix(r.shown, "bad-") || !k.in(files) {
		t.Errorf("%s is not in the pipeline %s", k.name, r.shown)
	}
}

func archivedOrCorpus(t *testing.T, name string) map[string]string {
	if strings.HasSuffix(name, ".txtar") {
		return archived(t, filepath.Join("testdata", name))
	}
	content, err := os.ReadFile(filepath.Join("testdata/corpus", name+".yml"))
	if err != nil {
		t.Error(err)
	}
	return map[string]string{File: string(content)}
}

var testName = regexp.MustCompile(`^(Test\w+)(?:/([\w-]+))?(?: of ([\w/]+))?$`)

// executed by TestCorpus of server/e2e, which runs testdata/run; or by another test,
// whose file then has the word.
func executed(t *testing.T, k *keyword, r row) {
	m := testName.FindStringSubmatch(r.executed)
	if m == nil {
		t.Errorf("%s is executed by no test: %q", k.name, r.executed)
		return
	}
	if m[1] == "TestCorpus" {
		if !k.in(archived(t, filepath.Join("testdata/run", m[2]+".txtar"))) {
			t.Errorf("%s is not in the pipeline of %s", k.name, r.executed)
		}
		return
	}
	files, err := filepath.Glob(filepath.Join("../..", cmp.Or(m[3], "server/e2e"), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "func "+m[1]+"(t ") && strings.Contains(string(source), k.last()) {
			return
		}
	}
	t.Errorf("%s: no test %s has it", k.name, r.executed)
}

// written page: rows that are missing get the first cases that have the keyword.
func written(t *testing.T, page string, all []*keyword) string {
	works, from, to := table(page, worksHead)
	page = page[:from] + join(all, works, false, func(k *keyword) row {
		return row{k.name, "works", first(t, k, "testdata/corpus/*.yml", "testdata/*.txtar"), "TestCorpus/" + strings.TrimSuffix(first(t, k, "testdata/run/*.txtar"), ".txtar")}
	}) + page[to:]
	refused, from, to := table(page, refuseHead)
	page = page[:from] + join(all, refused, true, func(k *keyword) row { return row{k.name, "refused", "", ""} }) + page[to:]
	if err := os.WriteFile(docsPage, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	return page
}

func join(all []*keyword, rows map[string]row, refused bool, missing func(k *keyword) row) string {
	out := ""
	for _, k := range all {
		if k.refused == refused {
			r, ok := rows[k.name]
			if !ok {
				r = missing(k)
			}
			out += r.String()
		}
	}
	return out
}

// first case of the first pattern that has some with the keyword: one whose name is
// about it, if there is any.
func first(t *testing.T, k *keyword, patterns ...string) string {
	about := func(name string) (n int) {
		for _, word := range strings.FieldsFunc(k.name, func(r rune) bool { return r == ':' || r == '_' }) {
			if strings.Contains(name, strings.TrimSuffix(word, "s")) {
				n++
			}
		}
		return n
	}
	best, score := "?", -1
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			name := strings.TrimSuffix(filepath.Base(path), ".yml")
			if n := about(name); n > score && !strings.HasPrefix(name, "bad-") && k.in(archivedAt(t, path, name)) {
				best, score = name, n
			}
		}
		if score >= 0 {
			break
		}
	}
	return best
}

func archivedAt(t *testing.T, path, name string) map[string]string {
	if strings.HasSuffix(path, ".txtar") {
		return archived(t, path)
	}
	return archivedOrCorpus(t, name)
}
