package runjob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"slipway.dev/pipelines/jobapi/wire"
)

// wanted says whether something with this "when" is kept of a job with that status.
func wanted(when, status string) bool {
	switch when {
	case "always":
		return status != canceled
	case "on_failure":
		return status == failed
	}
	return status == succeeded
}

// upload the artifacts, and the reports whatever becomes of those.
func (a *attempt) upload(ctx context.Context, status string) error {
	art := a.job.Artifacts
	if art == nil || status == canceled {
		return nil
	}
	if wanted(art.When, status) && (len(art.Paths) > 0 || art.Untracked) {
		err := a.section("upload_artifacts", "Uploading artifacts", func() error {
			return a.keep(ctx, chosen{paths: art.Paths, exclude: art.Exclude, untracked: art.Untracked}, "/artifacts", nil)
		})
		if err != nil {
			return err
		}
	}
	if len(art.Reports) == 0 {
		return nil
	}
	return a.section("upload_reports", "Uploading reports", func() error {
		for _, kind := range slices.Sorted(maps.Keys(art.Reports)) {
			// The server shows what reports say; a dotenv's values are for the jobs behind.
			mask := a.job.Mask
			if kind == wire.ReportDotenv {
				mask = nil
			}
			err := a.keep(ctx, chosen{paths: art.Reports[kind]}, "/reports/"+kind, mask)
			var status *statusError
			if errors.As(err, &status) && status.code == http.StatusUnprocessableEntity && kind != wire.ReportDotenv {
				// As in GitLab: a report that says nothing does not fail the job.
				a.warn("%s report: %s", kind, status.message)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s report: %w", kind, err)
			}
		}
		return nil
	})
}

func (a *attempt) keep(ctx context.Context, c chosen, path string, mask [][]byte) error {
	files, err := c.match(a.project)
	if err != nil {
		return err
	}
	a.warnOutside(c.paths)
	what := strings.Join(c.paths, ", ")
	if c.untracked {
		what = strings.TrimPrefix(what+", untracked files", ", ")
	}
	if len(files) == 0 {
		a.warn("%s: no matching files. Ensure that the artifact path is relative to the working directory", what)
		return nil
	}
	fmt.Fprintf(a.out, "%s: found %d matching files and directories\n", what, len(files))
	return a.Send(ctx, http.MethodPut, path, "application/zip", Piped(func(w io.Writer) error { return zipFiles(w, a.project, files, mask) }))
}

// warnOutside says which paths nothing is kept of.
func (a *attempt) warnOutside(paths []string) {
	for _, p := range outside(a.project, paths) {
		a.warn("%s is outside the project directory %s; nothing of it is kept", p, a.project)
	}
}
