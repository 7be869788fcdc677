package gitlab

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/pipelines/plan"
)

var update = flag.Bool("update", false, "write what the compiler says as what it should say")

// contexts by the suffix of a test file: deploy@tag.yml is compiled for a tag.
var contexts = map[string]Context{
	"":       {},
	"branch": {Branch: "feature/Login_1", Ref: "refs/heads/feature/Login_1"},
	"tag":    {Tag: "v1.2.3", Ref: "refs/tags/v1.2.3"},
	"web":    {Source: "web", Variables: []plan.Variable{{Name: "TARGET", Value: "staging"}}},
	"secret": {Secrets: []plan.SecretRef{{Variable: "DEPLOY_TOKEN", Secret: "shop-variables", Key: "DEPLOY_TOKEN"}}, Repository: repository},
	"skip":   {Message: "Fix a typo [skip ci]\n"},
}

// repository variables of the tests: a masked one, visible ones, and for environments.
func repository(environment string) []Known {
	known := []Known{
		{plan.Variable{Name: "DEPLOY_TOKEN", Value: "planted"}, true},
		{plan.Variable{Name: "REGION", Value: "west"}, false},
		{plan.Variable{Name: "TOOLS", Value: "tools/$REGION"}, false},
		{plan.Variable{Name: "GIT_DEPTH", Value: "7"}, false},
		{plan.Variable{Name: "GIT_STRATEGY", Value: "none"}, true},
	}
	if strings.HasPrefix(environment, "review/") {
		known = append(known, Known{plan.Variable{Name: "NODES", Value: "small"}, false}, Known{plan.Variable{Name: "REVIEW_TOKEN", Value: "planted too"}, true})
	}
	return known
}

func context(name string) Context {
	_, kind, _ := strings.Cut(strings.TrimSuffix(name, ".yml"), "@")
	c := contexts[kind]
	if c.Branch == "" && c.Tag == "" {
		c.Branch, c.Ref = "main", "refs/heads/main"
	}
	c.Commit = "0123456789abcdef0123456789abcdef01234567"
	c.DefaultBranch, c.ProjectName, c.Namespace = "main", "shop", "default"
	c.ServerURL, c.RunID, c.RunNumber = "https://10.0.0.1:8443", "shop-7", 7
	c.Author, c.Time, c.By = "Ada <ada@example.org>", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "ada"
	if c.Message == "" {
		c.Message = "Sell shoes\n\nAnd socks.\n"
	}
	return c
}

// TestFiles compiles every testdata/*.yml and compares with the .json beside it,
// which holds either a plan or the problems. Predefined variables and the
// default depth are the same for all and are left out; TestPredefined has them.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p, problems := Compile(File, content, context(name))
			var got []byte
			if p != nil {
				if len(problems) > 0 {
					t.Fatal("a plan and problems", problems)
				}
				if err := p.Check(); err != nil {
					t.Fatal(err)
				}
				p.Predefined = nil
				for i := range p.Jobs {
					p.Jobs[i].Predefined = nil
					if p.Jobs[i].Checkout.Depth == defaultDepth {
						p.Jobs[i].Checkout.Depth = 0
					}
				}
				got, err = p.Encode()
			} else {
				if strings.HasPrefix(name, "ok-") {
					t.Errorf("refused: %v", problems)
				}
				got, err = json.MarshalIndent(map[string]any{"problems": problems}, "", "  ")
				got = append(got, '\n')
			}
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(got), "planted") {
				t.Errorf("a masked value is told: %s", got)
			}
			golden := strings.TrimSuffix(path, ".yml") + ".json"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
			}
		})
	}
}
