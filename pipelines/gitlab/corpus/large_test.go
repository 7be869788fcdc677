package corpus

import (
	"strings"
	"testing"

	"slipway.dev/pipelines/gitlab"
)

func large(jobs int) gitlab.Context {
	return gitlab.Context{Ref: "refs/heads/main", Branch: "main", DefaultBranch: "main", Commit: strings.Repeat("1", 40), ProjectName: "x",
		Namespace: "default", ServerURL: "https://x", RunID: "x-1", Files: Large(jobs)}
}

func TestLarge(t *testing.T) {
	in := large(500)
	p, problems := gitlab.Compile(gitlab.File, []byte(in.Files.(Files)[gitlab.File]), in)
	if len(problems) > 0 || len(p.Jobs) != 500 {
		t.Fatal(problems)
	}
	if j := p.Job("job-499"); len(j.Needs) != 2 || j.Script.Before[0] != "echo setup" || !j.Interruptible {
		t.Errorf("%+v", j)
	}
}

// BenchmarkCompile500 compiles 500 jobs of eleven included files.
func BenchmarkCompile500(b *testing.B) {
	in := large(500)
	content := []byte(in.Files.(Files)[gitlab.File])
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := gitlab.Compile(gitlab.File, content, in); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}
