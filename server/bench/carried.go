package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/gitlab/corpus"
)

const (
	compiledJobs = 500
	printedLines = 100_000
	carriedMiB   = 100
	carriedFile  = `
default: {image: busybox}
variables: {GIT_STRATEGY: none}
first: {stage: .pre, script: [echo the first line]}
lines: {stage: build, needs: [first], script: ["awk 'BEGIN {for (i = 0; i < %[1]d; i++) printf \"line %%06d of a log that is as long as such lines are\\n\", i}'"]}
make:
  stage: build
  needs: [lines]
  cache: {key: large, paths: [cached/], policy: push}
  script: [mkdir -p cached kept, "dd if=/dev/urandom of=kept/data bs=1M count=%[2]d 2>/dev/null", cp kept/data cached/data]
  artifacts: {paths: [kept/]}
restore: {stage: test, needs: [{job: make, artifacts: false}], cache: {key: large, paths: [cached/], policy: pull}, script: [ls -l cached/data]}
take: {stage: deploy, needs: [{job: restore, artifacts: false}, make], script: [ls -l kept/data]}
nothing: {stage: .post, needs: [{job: take, artifacts: false}], script: [echo nothing]}
`
)

// compile a large pipeline file, as the server does it for a push.
func (b *bench) compile(context.Context) error {
	files := corpus.Large(compiledJobs)
	in := gitlab.Context{Ref: "refs/heads/main", Branch: "main", DefaultBranch: "main", Commit: strings.Repeat("1", 40), ProjectName: "large",
		Namespace: "default", ServerURL: "https://127.0.0.1", RunID: "large-1", Files: files}
	for range 5 {
		began := time.Now()
		p, problems := gitlab.Compile(gitlab.File, []byte(files[gitlab.File]), in)
		if len(problems) > 0 || len(p.Jobs) != compiledJobs {
			return fmt.Errorf("the large file does not compile: %v", problems)
		}
		b.report.add(fmt.Sprintf("compile of %d jobs in %d files", compiledJobs, len(files)), "s", time.Since(began).Seconds())
	}
	return nil
}

// carriedRounds follow one that pulls the image and is not counted.
const carriedRounds = 3

// carried is what goes between jobs and the server: the first line of a push, a long
// log, a cache and artifacts.
func (b *bench) carried(ctx context.Context, in *instance) error {
	t, err := newTree(ctx, in, "carried", "")
	if err != nil {
		return err
	}
	if _, err := t.commit(ctx, ".gitlab-ci.yml", fmt.Sprintf(carriedFile, printedLines, carriedMiB)); err != nil {
		return err
	}
	for i := range carriedRounds + 1 {
		if _, err := t.commit(ctx, "round", fmt.Sprint(i)); err != nil {
			return err
		}
		began := time.Now()
		if err := t.push(ctx); err != nil {
			return err
		}
		line, err := t.firstLine(ctx, "first", "\nthe first line\n")
		if err != nil {
			return err
		}
		log, err := t.firstLine(ctx, "lines", "\nline 000000 ")
		if err != nil {
			return err
		}
		if log.lines < printedLines {
			return fmt.Errorf("%d of %d lines came", log.lines, printedLines)
		}
		r, err := in.client.WaitRun(ctx, t.run(), func(r *slipway.Run) bool { return r.Status.Phase.Finished() })
		if err != nil {
			return err
		}
		if r.Status.Phase != slipway.Succeeded {
			return fmt.Errorf("run %s is %s: %s", r.Name, r.Status.Phase, reason(r))
		}
		if i == 0 {
			continue
		}
		b.report.add("push to first line of the script seen by a client", "s", line.first.Sub(began).Seconds())
		b.report.add(fmt.Sprintf("%d lines from a pod to a client, first to last", printedLines), "s", log.last.Sub(log.first).Seconds())
		for _, j := range r.Status.Jobs {
			name := map[string]string{
				"nothing": "a job that carries nothing", "make": fmt.Sprintf("a job that makes %d MiB and keeps them as cache and as artifact", carriedMiB),
				"restore": fmt.Sprintf("a job that restores a cache of %d MiB", carriedMiB), "take": fmt.Sprintf("a job that takes artifacts of %d MiB", carriedMiB),
			}[j.Name]
			if name != "" {
				b.report.add(name, "s", j.FinishedAt.Sub(j.StartedAt.Time).Seconds())
			}
		}
	}
	return nil
}

// firstLine follows the log of a job to its end, and tells when text was seen.
func (t *tree) firstLine(ctx context.Context, job, text string) (*seen, error) {
	_, err := t.in.client.WaitRun(ctx, t.run(), func(r *slipway.Run) bool {
		for _, j := range r.Status.Jobs {
			if j.Name == job && j.Attempt > 0 {
				return true
			}
		}
		return r.Status.Phase.Finished()
	})
	if err != nil {
		return nil, err
	}
	s := &seen{text: []byte(text)}
	if err := t.in.client.JobLog(ctx, s, t.run(), job, true); err != nil {
		return nil, err
	}
	if s.first.IsZero() {
		return nil, fmt.Errorf("job %s did not print %q", job, text)
	}
	return s, nil
}

// seen is a log as it comes: when a text came first, when the log ended, its lines.
type seen struct {
	text        []byte
	tail        []byte
	first, last time.Time
	lines       int
}

var _ io.Writer = (*seen)(nil)

// Write never fails.
func (s *seen) Write(p []byte) (int, error) {
	s.last = time.Now()
	s.lines += bytes.Count(p, []byte{'\n'})
	if s.first.IsZero() {
		s.tail = append(s.tail, p...)
		if bytes.Contains(s.tail, s.text) {
			s.first, s.tail = s.last, nil
		} else if keep := len(s.text) - 1; len(s.tail) > keep {
			s.tail = append([]byte(nil), s.tail[len(s.tail)-keep:]...)
		}
	}
	return len(p), nil
}
