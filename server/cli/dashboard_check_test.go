package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDashboardCheck(t *testing.T) {
	const good = `{"uid":"a","title":"A","panels":[{"type":"text"}]}`
	for name, tc := range map[string]struct {
		files     map[string]string
		args      []string
		out, fail string
	}{
		"good":           {map[string]string{"dashboards/a.json": good, "dashboards/README.md": "# of ours"}, nil, "1 dashboards are good", ""},
		"bad":            {map[string]string{"dashboards/a.json": good, "dashboards/b.json": "{\n  \"uid\": 7\n}", "dashboards/c.json": good}, nil, "dashboards/b.json:1:1: title is missing\ndashboards/c.json:1:8: uid \"a\" is that of dashboards/a.json", "2 of the dashboards are bad, 1 are good"},
		"one of them":    {map[string]string{"dashboards/a.json": good, "dashboards/b.json": "{"}, []string{"dashboards/a.json"}, "1 dashboards are good", ""},
		"no directory":   {nil, nil, "", "there is no directory dashboards here"},
		"not there":      {nil, []string{"x.json"}, "", "x.json"},
		"no dashboard":   {map[string]string{"x.txt": ""}, []string{"x.txt"}, "", "only .json, .yaml and .yml are read"},
		"of a directory": {map[string]string{"dashboards/d.json/x": ""}, nil, "dashboards/d.json: it is a directory", "1 of the dashboards"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for file, text := range tc.files {
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			cmd := dashboardCheck()
			cmd.SetArgs(tc.args)
			if tc.args == nil {
				cmd.SetArgs([]string{})
			}
			cmd.SetOut(&out)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.Execute()
			if tc.fail == "" && err != nil || tc.fail != "" && (err == nil || !strings.Contains(err.Error(), tc.fail)) {
				t.Errorf("%v, want %q", err, tc.fail)
			}
			if !strings.Contains(out.String(), tc.out) {
				t.Errorf("%s, want %s", out.String(), tc.out)
			}
		})
	}
}
