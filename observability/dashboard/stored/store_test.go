package stored

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/observability/dashboard"
)

func file(name, uid, title string) dashboard.File {
	return dashboard.File{Path: "dashboards/" + name, Data: fmt.Appendf(nil, "{\n \"uid\": %q, \"title\": %q,\n \"panels\": [{\"type\": \"text\", \"x\": \"<&>\"}]\n}", uid, title)}
}

// repo is a repository, or after "cm:" a ConfigMap.
func repo(name string) Owner {
	if cm, ok := strings.CutPrefix(name, "cm:"); ok {
		return Owner{Namespace: "default", ConfigMap: cm}
	}
	return Owner{Namespace: "default", Repository: name}
}

func broken(name string) dashboard.File {
	return dashboard.File{Path: "dashboards/" + name, Data: []byte("{\n,")}
}

// TestStore goes through the life of two repositories' dashboards; after each step the
// store is opened anew, as after a crash.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	type files = []dashboard.File
	for _, step := range []struct {
		what, repo, commit string
		files              files
		changed, waits     bool
		want, bad          string
	}{
		{"two", "shop", "1", files{file("a.json", "a", "A"), file("b.json", "b", "B")}, true, false, "shop a A 1, shop b B 1", ""},
		{"the same again", "shop", "2", files{file("a.json", "a", "A"), file("b.json", "b", "B")}, false, false, "shop a A 2, shop b B 2", ""},
		{"one is bad: it stays as it was", "shop", "3", files{file("a.json", "a", "A2"), broken("b.json")}, true, false, "shop a A2 3, shop b B 2", "dashboards/b.json:2:1: "},
		{"another has its UID", "bank", "1", files{file("x.json", "b", "X"), file("y.json", "y", "Y")}, true, true, "shop a A2 3, shop b B 2, bank y Y 1", `dashboards/x.json:2:9: uid "b" is that of dashboards/b.json of repository shop`},
		{"the bad one goes", "shop", "4", files{file("a.json", "a", "A2")}, true, false, "shop a A2 4, bank y Y 1", ""},
		{"now it is free", "bank", "1", files{file("x.json", "b", "X"), file("y.json", "y", "Y")}, true, false, "shop a A2 4, bank b X 1, bank y Y 1", ""},
		{"a UID moves to another file", "shop", "5", files{broken("a.json"), file("c.json", "a", "C")}, true, false, "shop a C 5, bank b X 1, bank y Y 1", "dashboards/a.json:2:1: "},
		{"all go", "shop", "6", nil, true, false, "bank b X 1, bank y Y 1", ""},
		{"a ConfigMap of that name", "cm:bank", "77", files{file("c.json", "c", "M"), file("x.json", "y", "M")}, true, true, "bank b X 1, bank y Y 1,  c M 77", `dashboards/x.json:2:9: uid "y" is that of dashboards/y.json of repository bank`},
		{"has a UID", "shop", "7", files{file("c.json", "c", "C")}, false, true, "bank b X 1, bank y Y 1,  c M 77", `dashboards/c.json:2:9: uid "c" is that of dashboards/c.json`},
		{"and goes", "cm:bank", "", nil, true, false, "bank b X 1, bank y Y 1", ""},
		{"none is bad", "mail", "1", files{broken("a.json")}, false, false, "bank b X 1, bank y Y 1", "dashboards/a.json:2:1: "},
	} {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		changed, err := s.Put(repo(step.repo), step.commit, step.files)
		if r := s.State(repo(step.repo)); err != nil || changed != step.changed || r.Waits != step.waits {
			t.Errorf("%s: %v %+v %v", step.what, changed, r, err)
		}
		for _, when := range []string{"at once", "opened anew"} {
			if settled := s.Settled(repo(step.repo), step.commit); settled != ((len(step.files) > 0 || when == "at once") && !step.waits) {
				t.Errorf("%s, %s: settled: %v", step.what, when, settled)
			}
			var got []string
			for _, k := range s.List("default") {
				got = append(got, fmt.Sprintf("%s %s %s %s", k.Repository, k.UID, k.Title, k.Commit))
				full, ok, err := s.Get("default", k.UID)
				if err != nil || !ok || !strings.Contains(string(full.JSON), `"title":"`+k.Title+`"`) || !strings.Contains(string(full.JSON), "<&>") || k.JSON != nil {
					t.Errorf("%s, %s: %s: %s %v %v", step.what, when, k.UID, full.JSON, ok, err)
				}
				if other, ok, err := s.Get("other", k.UID); ok || err != nil || len(s.List("other")) > 0 {
					t.Errorf("seen in another namespace: %v %v", other, err)
				}
			}
			all, err := s.Of("default")
			if err != nil || len(all) != len(got) {
				t.Errorf("%s, %s: %d with texts, %v", step.what, when, len(all), err)
			}
			if !sameSet(strings.Join(got, ", "), step.want) {
				t.Errorf("%s, %s:\n%s, want\n%s", step.what, when, strings.Join(got, ", "), step.want)
			}
			if maps := len(s.ConfigMaps()); maps > 1 || (maps == 1) != (strings.HasPrefix(step.repo, "cm:") && (step.files != nil || when == "at once") || strings.Contains(step.want, " M 77")) {
				t.Errorf("%s, %s: %d ConfigMaps", step.what, when, maps)
			}
			problems := s.Problems("default")[repo(step.repo)]
			if step.bad == "" && len(problems) > 0 || step.bad != "" && (len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), step.bad)) {
				t.Errorf("%s, %s: problems %v", step.what, when, problems)
			}
			if s, err = Open(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func sameSet(a, b string) bool {
	in := map[string]int{}
	for _, x := range strings.Split(a, ", ") {
		in[x]++
	}
	for _, x := range strings.Split(b, ", ") {
		in[x]--
	}
	for _, n := range in {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestStoreForgetsAndBearsWhatIsBroken(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "none", "yet"))
	if err != nil {
		t.Fatal(err)
	}
	if gone, err := s.Forget(repo("shop")); gone || err != nil {
		t.Errorf("%v %v", gone, err)
	}
	for _, name := range []string{"../x", "", "a/b", "A", "cm:../x"} {
		if _, err := s.Put(repo(name), "1", []dashboard.File{file("a.json", "a", "A")}); err == nil {
			t.Errorf("repository %q is taken", name)
		}
		if _, err := s.Put(Owner{Namespace: name, Repository: "shop"}, "1", []dashboard.File{file("a.json", "a", "A")}); err == nil {
			t.Errorf("namespace %q is taken", name)
		}
	}
	if _, err := s.Put(repo("shop"), "1", []dashboard.File{file("a.json", "a", "A")}); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "none", "yet", "default")
	if err := os.WriteFile(filepath.Join(at, "shop.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, ".shop.json.123"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(filepath.Join(dir, "none", "yet")); err != nil || s.Settled(repo("shop"), "1") {
		t.Errorf("what is broken is taken for stored: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(at, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if _, err := s.Put(repo("shop"), "1", []dashboard.File{file("a.json", "a", "A")}); err != nil || s.State(repo("shop")).Count != 1 {
		t.Errorf("%+v %v", s.State(repo("shop")), err)
	}
	if gone, err := s.Forget(repo("shop")); !gone || err != nil || len(s.List("default")) > 0 {
		t.Errorf("%v %v", gone, err)
	}
	if _, err := os.Stat(filepath.Join(at, "shop.json")); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
}
