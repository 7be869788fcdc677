package gitlab

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// documented says where the keys of each keyset stand in a file: `top`, in a `header`,
// or in a `job` (or default), * being a name that the file chooses. What GitLab's
// reference calls a keyword follows from it.
var documented = []struct {
	set  *keyset
	name string // of the variable
	at   []string
}{
	{&headerKeys, "headerKeys", []string{"header"}},
	{&specKeys, "specKeys", []string{"header spec"}},
	{&inputKeys, "inputKeys", []string{"header spec inputs *"}},
	{&inputRuleKeys, "inputRuleKeys", []string{"header spec inputs * rules"}},
	{&globalKeys, "globalKeys", []string{"top"}},
	{&includeKeys, "includeKeys", []string{"top include"}},
	{&includeRuleKeys, "includeRuleKeys", []string{"top include rules"}},
	{&workflowKeys, "workflowKeys", []string{"top workflow"}},
	{&workflowRuleKeys, "workflowRuleKeys", []string{"top workflow rules"}},
	{&autoCancelKeys, "autoCancelKeys", []string{"top workflow auto_cancel"}},
	{&globalVariableKeys, "globalVariableKeys", []string{"top variables *"}},
	{&defaultKeys, "defaultKeys", []string{"top default"}},
	{&jobKeys, "jobKeys", []string{"job"}},
	{&allowFailureKeys, "allowFailureKeys", []string{"job allow_failure"}},
	{&artifactKeys, "artifactKeys", []string{"job artifacts"}},
	{&reportKeys, "reportKeys", []string{"job artifacts reports"}},
	{&coverageKeys, "coverageKeys", []string{"job artifacts reports coverage_report"}},
	{&cacheKeys, "cacheKeys", []string{"job cache"}},
	{&cacheKeyKeys, "cacheKeyKeys", []string{"job cache key"}},
	{&environmentKeys, "environmentKeys", []string{"job environment"}},
	{&hookKeys, "hookKeys", []string{"job hooks"}},
	{&idTokenKeys, "idTokenKeys", []string{"job id_tokens *"}},
	{&imageKeys, "imageKeys", []string{"job image"}},
	{&serviceKeys, "serviceKeys", []string{"job services"}},
	{&dockerKeys, "dockerKeys", []string{"job image docker", "job services docker"}},
	{&kubernetesKeys, "kubernetesKeys", []string{"job image kubernetes", "job services kubernetes"}},
	{&inheritKeys, "inheritKeys", []string{"job inherit"}},
	{&needKeys, "needKeys", []string{"job needs"}},
	{&parallelKeys, "parallelKeys", []string{"job parallel", "job needs parallel"}},
	{&policyKeys, "policyKeys", []string{"job only", "job except"}},
	{&retryKeys, "retryKeys", []string{"job retry"}},
	{&ruleKeys, "ruleKeys", []string{"job rules"}},
	{&changesKeys, "changesKeys", []string{"job rules changes"}},
	{&existsKeys, "existsKeys", []string{"job rules exists"}},
	{&secretKeys, "secretKeys", []string{"job secrets *"}},
	{&vaultKeys, "vaultKeys", []string{"job secrets * vault"}},
	{&engineKeys, "engineKeys", []string{"job secrets * vault engine"}},
	{&triggerKeys, "triggerKeys", []string{"job trigger"}},
	{&triggerIncludeKeys, "triggerIncludeKeys", []string{"job trigger include"}},
	{&forwardKeys, "forwardKeys", []string{"job trigger forward"}},
	{&jobVariableKeys, "jobVariableKeys", []string{"job variables *"}},
}

// keyword as the reference names it, with the paths at which it may stand.
type keyword struct {
	name    string
	paths   [][]string
	refused bool
}

func (k *keyword) last() string { return k.name[strings.LastIndexByte(k.name, ':')+1:] }

// allKeywords that exist, in the order of documented.
func allKeywords() (out []*keyword) {
	byName := map[string]*keyword{}
	add := func(at, key string, refused bool) {
		path := append(strings.Fields(at), key)
		shown := slices.DeleteFunc(slices.Clone(path[1:]), func(s string) bool { return s == "*" })
		name := strings.Join(shown, ":")
		if byName[name] == nil {
			byName[name] = &keyword{name: name, refused: refused}
			out = append(out, byName[name])
		}
		byName[name].paths = append(byName[name].paths, path)
	}
	for _, d := range documented {
		for _, at := range d.at {
			for _, key := range slices.Sorted(slices.Values(d.set.supported)) {
				add(at, key, at == "job" && key == "pages")
			}
			for _, key := range slices.Sorted(maps.Keys(d.set.unsupported)) {
				add(at, key, true)
			}
		}
	}
	return out
}

// in says whether one of the files has the keyword at its place.
func (k *keyword) in(files map[string]string) bool {
	for name, content := range files {
		if !strings.HasSuffix(name, ".yml") && !strings.HasSuffix(name, ".yaml") && !strings.HasPrefix(name, "https://") {
			continue
		}
		docs, _ := documents([]byte(content), name, &problems{})
		header, body := split(docs)
		for _, path := range k.paths {
			var from []*value
			switch {
			case path[0] == "header":
				from = []*value{header}
			case path[0] == "top":
				from = []*value{body}
			case body != nil && body.kind == kindMap:
				for _, e := range body.keys {
					if e.name == "default" || !isGlobal(e.name) {
						from = append(from, e.val)
					}
				}
			}
			if stands(from, path[1:]) {
				return true
			}
		}
	}
	return false
}

// stands says whether a path leads somewhere from one of these, or from what is in
// their lists.
func stands(from []*value, path []string) bool {
	for _, v := range from {
		switch {
		case v == nil:
		case v.kind == kindList:
			if stands(v.items, path) {
				return true
			}
		case v.kind == kindMap:
			for _, e := range v.keys {
				if (path[0] == "*" || path[0] == e.name) && (len(path) == 1 || stands([]*value{e.val}, path[1:])) {
					return true
				}
			}
		}
	}
	return false
}

// archived files of a test case.
func archived(t *testing.T, path string) map[string]string {
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Error(err)
		return nil
	}
	files := map[string]string{}
	for _, f := range a.Files {
		files[f.Name] = string(f.Data)
	}
	return files
}

// TestDocumented: there is no keyset whose keywords the table of the documentation
// could miss.
func TestDocumented(t *testing.T) {
	known := map[string]bool{}
	for _, d := range documented {
		known[d.name] = true
	}
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, v := range spec.Values {
				literal, _ := v.(*ast.CompositeLit)
				if literal == nil {
					continue
				}
				if typ, ok := literal.Type.(*ast.Ident); !ok || typ.Name != "keyset" {
					continue
				}
				if found++; !known[spec.Names[i].Name] {
					t.Errorf("%s is in no place of documented", spec.Names[i].Name)
				}
			}
			return true
		})
	}
	if found != len(documented) {
		t.Errorf("%d keysets, %d places", found, len(documented))
	}
}
