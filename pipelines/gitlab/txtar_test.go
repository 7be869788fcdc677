package gitlab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// tree is a commit in memory.
type tree struct {
	files   map[string]string
	changed []string
}

func (t tree) File(path string) ([]byte, error) {
	if s, ok := t.files[path]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}

func (t tree) List() ([]string, error)          { return slices.Sorted(maps.Keys(t.files)), nil }
func (t tree) Changed(string) ([]string, error) { return t.changed, nil }
func (t tree) Exists(path string) (bool, error) { _, ok := t.files[path]; return ok, nil }

// world is what is not in the commit: repositories by NAME@REF, and addresses.
type world struct {
	repositories map[string]tree
	remotes      map[string]string
}

func (w world) Project(name, ref string) (Files, string, error) {
	if ref == "" {
		ref = "main"
	}
	for _, key := range []string{ref, strings.TrimPrefix(ref, "refs/tags/")} {
		if t, ok := w.repositories[name+"@"+key]; ok {
			return t, fmt.Sprintf("%040x", len(key)), nil
		}
	}
	return nil, "", fs.ErrNotExist
}

func (w world) Tags(name string) ([]string, error) {
	var tags []string
	for _, key := range slices.Sorted(maps.Keys(w.repositories)) {
		if tag, ok := strings.CutPrefix(key, name+"@"); ok && strings.Contains(tag, ".") {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

func (w world) Remote(url string, within time.Duration) ([]byte, error) {
	if s, ok := w.remotes[url+" within "+within.String()]; ok {
		return []byte(s), nil
	}
	if s, ok := w.remotes[url]; ok {
		return []byte(s), nil
	}
	return nil, errors.New("the server answers 404")
}

// archive is a test case of several files.
type archive struct {
	in      Context
	file    string
	content []byte
	want    string
}

// readArchive of the form
//
//	-- .gitlab-ci.yml --                the file to compile
//	-- ci/build.yml --                  another file of the commit
//	-- repository/NAME@REF/a.yml --     a file of another repository
//	-- https://example.com/a.yml --     a file elsewhere
//	-- inputs.json --                   what the pipeline is given
//	-- changed --                       names of the files that changed
//	-- want --                          what it compiles to
func readArchive(path string) (a archive, whole *txtar.Archive, err error) {
	if whole, err = txtar.ParseFile(path); err != nil {
		return
	}
	here := tree{files: map[string]string{}}
	w := world{map[string]tree{}, map[string]string{}}
	a.in, a.file = context(strings.TrimSuffix(filepath.Base(path), ".txtar")), File
	for _, f := range whole.Files {
		name, data := f.Name, string(f.Data)
		switch {
		case name == "want":
			a.want = data
		case name == "changed":
			here.changed = strings.Fields(data)
		case name == "inputs.json":
			if err = json.Unmarshal(f.Data, &a.in.Inputs); err != nil {
				return
			}
		case strings.HasPrefix(name, "repository/"):
			repo, file, _ := strings.Cut(strings.TrimPrefix(name, "repository/"), "/")
			if w.repositories[repo].files == nil {
				w.repositories[repo] = tree{files: map[string]string{}}
			}
			w.repositories[repo].files[file] = data
		case strings.HasPrefix(name, "https://"):
			w.remotes[name] = data
		default:
			here.files[name] = data
		}
	}
	a.content = []byte(here.files[File])
	a.in.Files, a.in.Includes = here, w
	return
}

// TestArchives compiles every testdata/*.txtar and compares with what it wants.
func TestArchives(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, whole, err := readArchive(path)
			if err != nil {
				t.Fatal(err)
			}
			p, problems := Compile(a.file, a.content, a.in)
			if bad := strings.HasPrefix(filepath.Base(path), "bad-"); bad != (len(problems) > 0) {
				t.Errorf("problems: %v", problems)
			}
			got := summary(p, problems)
			if strings.Contains(got, "planted") {
				t.Errorf("a masked value is told: %s", got)
			}
			if *update {
				whole.Files = slices.DeleteFunc(whole.Files, func(f txtar.File) bool { return f.Name == "want" })
				whole.Files = append(whole.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(whole), 0o644); err != nil {
					t.Fatal(err)
				}
				a.want = got
			}
			if got != a.want {
				t.Errorf("got\n%s\nwant\n%s", got, a.want)
			}
			if p != nil {
				if err := p.Check(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// summary of what was compiled, for people: what is as usual is left out.
func summary(p *plan.Plan, problems []v1alpha1.Problem) string {
	var b strings.Builder
	for _, x := range problems {
		fmt.Fprintf(&b, "%s:%d:%d: %s [%s]\n", x.File, x.Line, x.Column, x.Message, x.Rule)
		if x.Hint != "" {
			fmt.Fprintf(&b, "    %s\n", x.Hint)
		}
	}
	if p == nil {
		return b.String()
	}
	if !slices.Equal(p.Stages, []string{".pre", "build", "test", "deploy", ".post"}) {
		fmt.Fprintf(&b, "stages %s\n", strings.Join(p.Stages, " "))
	}
	if p.Name != "" {
		fmt.Fprintf(&b, "name %s\n", p.Name)
	}
	if p.Empty != "" {
		fmt.Fprintf(&b, "empty: %s\n", p.Empty)
	}
	writeVariables(&b, "", p.Variables)
	for _, j := range p.Jobs {
		var needs []string
		for _, n := range j.Needs {
			needs = append(needs, n.Job)
		}
		fmt.Fprintf(&b, "job %s, stage %s", j.Name, j.Stage)
		if len(needs) > 0 {
			fmt.Fprintf(&b, ", needs %s", strings.Join(needs, " "))
		}
		if j.When != plan.OnSuccess {
			fmt.Fprintf(&b, ", %s", j.When)
		}
		b.WriteString("\n")
		for _, part := range []struct {
			name  string
			lines []string
		}{{"before", j.Script.Before}, {"script", j.Script.Main}, {"after", j.Script.After}} {
			for _, line := range part.lines {
				fmt.Fprintf(&b, "  %s: %s\n", part.name, line)
			}
		}
		writeVariables(&b, "  ", j.Variables)
		// Everything else as it is encoded.
		j.Name, j.ID, j.Stage, j.Needs, j.When, j.Variables, j.Predefined, j.ByStage = "", "", "", nil, "", nil, nil, false
		j.Script.Before, j.Script.Main, j.Script.After = nil, nil, nil
		if j.Checkout.Depth == defaultDepth {
			j.Checkout.Depth = 0
		}
		rest, err := json.Marshal(j)
		if err != nil {
			panic(err)
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(rest, &m); err != nil {
			panic(err)
		}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if v := string(m[k]); v != `""` && v != "{}" {
				fmt.Fprintf(&b, "  %s %s\n", k, v)
			}
		}
	}
	return b.String()
}

func writeVariables(b *strings.Builder, indent string, vars []plan.Variable) {
	for _, v := range vars {
		fmt.Fprintf(b, "%s%s=%s", indent, v.Name, v.Value)
		if v.Raw {
			b.WriteString(" (raw)")
		}
		b.WriteString("\n")
	}
}
