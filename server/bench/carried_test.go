package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"slipway.dev/pipelines/gitlab"
)

func TestSeen(t *testing.T) {
	log := strings.Repeat("x\n", 10) + "the first line\n" + strings.Repeat("y\n", 5)
	for size := 1; size < len(log); size++ {
		s := &seen{text: []byte("\nthe first line\n")}
		for i := 0; i < len(log); i += size {
			if n, err := s.Write([]byte(log[i:min(len(log), i+size)])); err != nil || n == 0 {
				t.Fatal(n, err)
			}
		}
		if s.first.IsZero() || s.lines != 16 || s.last.Before(s.first) {
			t.Errorf("in pieces of %d: %+v", size, s)
		}
	}
	s := &seen{text: []byte("\nline")}
	if _, _ = s.Write([]byte("a line\n")); !s.first.IsZero() {
		t.Error("a text that is not there was seen")
	}
}

// The files that are measured with compile.
func TestMeasuredFiles(t *testing.T) {
	b := &bench{report: newReport()}
	if err := b.compile(context.Background()); err != nil || len(b.report.Figures) != 1 {
		t.Error(err)
	}
	p, problems := gitlab.Compile(gitlab.File, fmt.Appendf(nil, carriedFile, printedLines, carriedMiB),
		gitlab.Context{Ref: "refs/heads/main", Branch: "main", DefaultBranch: "main", Commit: strings.Repeat("1", 40), ProjectName: "x", Namespace: "default"})
	if len(problems) > 0 || len(p.Jobs) != 6 || !strings.Contains(p.Job("lines").Script.Main[0], `printf "line %06d`) {
		t.Error(problems)
	}
}
