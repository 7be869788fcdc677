package api

import (
	"context"
	"io"
	"net/http"
	"path"
)

// Kept is what the API asks of pipelines about what jobs left.
type Kept interface {
	// ArtifactAccess says for whom the job keeps its artifacts: "" or all (who may read
	// the run), developer, maintainer, none.
	ArtifactAccess(ctx context.Context, namespace, run, job string) (string, error)
	// Artifacts opens the archive that a job kept, and says its file name.
	Artifacts(ctx context.Context, namespace, run, job string) (r io.ReadCloser, file string, err error)
	// ArtifactIndex lists the files of the archive.
	ArtifactIndex(ctx context.Context, namespace, run, job string) (any, error)
	// ArtifactFile opens one file of the archive.
	ArtifactFile(ctx context.Context, namespace, run, job, path string) (io.ReadCloser, error)
	// Report opens the files of one kind of report, as a zip.
	Report(ctx context.Context, namespace, run, job, kind string) (io.ReadCloser, error)
	// JobTests are the cases of the job's test reports.
	JobTests(ctx context.Context, namespace, run, job string) (any, error)
	// JobCoverage is the coverage report of a job, by file and line.
	JobCoverage(ctx context.Context, namespace, run, job string) (any, error)
	// RunCoverage compares the coverage reports with those of the run before on the same ref.
	RunCoverage(ctx context.Context, namespace, run string) (any, error)
	// RunTests compares tests and coverage with the run before on the same ref.
	RunTests(ctx context.Context, namespace, run string) (any, error)
}

// ofJob are the namespace, run and job of the path.
func ofJob(r *http.Request) (ns, run, job string, err error) {
	run, err = pathName(r, "name")
	return r.PathValue("ns"), run, r.PathValue("job"), err
}

// ofKept is ofJob for those who may have what the job kept.
func (s *server) ofKept(r *http.Request) (ns, run, job string, err error) {
	if ns, run, job, err = ofJob(r); err != nil {
		return
	}
	access, err := s.Kept.ArtifactAccess(r.Context(), ns, run, job)
	if err != nil || access == "" || access == "all" {
		return ns, run, job, err
	}
	allowed := false
	u, _ := UserFrom(r.Context())
	if access == "developer" || access == "maintainer" {
		if allowed, err = s.Authorizer.Allowed(r.Context(), u, "get", access+"artifacts", ns, run); err != nil {
			return
		}
	}
	if !allowed {
		err = refuse(http.StatusForbidden, "artifacts:access of the job says so", "the artifacts of job %s are for %s", job,
			map[string]string{"developer": "developers", "maintainer": "maintainers", "none": "its other jobs only"}[access])
	}
	return
}

func (s *server) artifacts(w http.ResponseWriter, r *http.Request) error {
	ns, run, job, err := s.ofKept(r)
	if err != nil {
		return err
	}
	a, file, err := s.Kept.Artifacts(r.Context(), ns, run, job)
	if err != nil {
		return err
	}
	defer a.Close()
	attachment(w, file)
	return stream(w, a)
}

func (s *server) artifactIndex(w http.ResponseWriter, r *http.Request) error {
	ns, run, job, err := s.ofKept(r)
	if err != nil {
		return err
	}
	list, err := s.Kept.ArtifactIndex(r.Context(), ns, run, job)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

func (s *server) artifactFile(w http.ResponseWriter, r *http.Request) error {
	ns, run, job, err := s.ofKept(r)
	if err != nil {
		return err
	}
	name := r.URL.Query().Get("path")
	if name == "" {
		return refuse(http.StatusBadRequest, "such as ?path=out/report.txt; …/artifacts/index lists them", "path: missing")
	}
	f, err := s.Kept.ArtifactFile(r.Context(), ns, run, job, name)
	if err != nil {
		return err
	}
	defer f.Close()
	attachment(w, path.Base(name))
	return stream(w, f)
}

func (s *server) jobReport(w http.ResponseWriter, r *http.Request) error {
	ns, run, job, err := s.ofKept(r)
	if err != nil {
		return err
	}
	kind := r.PathValue("kind")
	a, err := s.Kept.Report(r.Context(), ns, run, job, kind)
	if err != nil {
		return err
	}
	defer a.Close()
	attachment(w, run+"-"+job+"-"+kind+".zip")
	return stream(w, a)
}

func (s *server) jobTests(w http.ResponseWriter, r *http.Request) error {
	ns, run, job, err := ofJob(r)
	if err != nil {
		return err
	}
	tests, err := s.Kept.JobTests(r.Context(), ns, run, job)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, tests)
	return nil
}

func (s *server) runTests(w http.ResponseWriter, r *http.Request) error {
	run, err := pathName(r, "name")
	if err != nil {
		return err
	}
	tests, err := s.Kept.RunTests(r.Context(), r.PathValue("ns"), run)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, tests)
	return nil
}

func (s *server) jobCoverage(w http.ResponseWriter, r *http.Request) error {
	ns, run, job, err := s.ofKept(r)
	if err != nil {
		return err
	}
	report, err := s.Kept.JobCoverage(r.Context(), ns, run, job)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, report)
	return nil
}

func (s *server) runCoverage(w http.ResponseWriter, r *http.Request) error {
	run, err := pathName(r, "name")
	if err != nil {
		return err
	}
	report, err := s.Kept.RunCoverage(r.Context(), r.PathValue("ns"), run)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, report)
	return nil
}
