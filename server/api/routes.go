package api

import (
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
)

// Route is one row of the table: what a request needs, and who answers it.
type Route struct {
	Method, Path string
	// Verb and Resource (group slipway.dev) that RBAC must allow in the
	// namespace of the path. Empty Verb: any authenticated user.
	Verb, Resource string
	// Summary for the OpenAPI document.
	Summary string

	handle func(*server, http.ResponseWriter, *http.Request) error
}

// Routes is the whole of /api/v1/, but for the job pods' part of it.
func Routes() []Route {
	const ns = "/api/v1/namespaces/{ns}"
	return slices.Concat(aroundRuns(ns), ofDeliveries(ns), lifecycle(ns), treeRoutes(ns), browseRoutes(ns), alertRoutes(ns), ofLogs(ns), dashboardRoutes(ns), grafanaRoutes(), logStackRoutes(), []Route{
		{"GET", "/api/v1/whoami", "", "", "who the token belongs to", (*server).whoami},
		{"GET", "/api/v1/namespaces", "", "", "the tenants' namespaces in which the user may list repositories", (*server).namespaces},
		{"GET", "/api/v1/status", "get", "status", "components and their health", (*server).status},
		{"GET", "/api/v1/openapi.json", "", "", "this document", (*server).openAPI},
		{"GET", "/api/v1/tokens", "list", "tokens", "list tokens", (*server).listTokens},
		{"POST", "/api/v1/tokens", "create", "tokens", "create a scoped token", (*server).createToken},
		{"DELETE", "/api/v1/tokens/{name}", "delete", "tokens", "revoke a token", (*server).revokeToken},

		{"POST", "/api/v1/images", "create", "images", "seed a base image from a tar file", (*server).seedImage},

		{"GET", ns + "/watch", "watch", "runs", "changes as server-sent events: kind, name, initial=false (not the objects as they are)", (*server).watch},

		{"GET", ns + "/repositories", "list", "repositories", "list repositories", list(repositories)},
		{"POST", ns + "/repositories", "create", "repositories", "create a repository", (*server).createRepository},
		{"GET", ns + "/repositories/{name}", "get", "repositories", "read a repository", get(repositories)},
		{"DELETE", ns + "/repositories/{name}", "delete", "repositories", "delete a repository", del(repositories)},
		{"GET", ns + "/repositories/{name}/form", "get", "repositories", "what a run of ?ref= may be given: variables with description and options, inputs", (*server).form},
		{"POST", ns + "/repositories/{name}/sync", "update", "repositories", "look at the remote now", (*server).syncRepository},

		{"GET", ns + "/runs", "list", "runs", "list runs, newest first: limit, continue", (*server).listRuns},
		{"POST", ns + "/runs", "create", "runs", "start a run", (*server).startRun},
		{"GET", ns + "/runs/{name}", "get", "runs", "read a run", (*server).getRun},
		{"POST", ns + "/runs/{name}/cancel", "update", "runs", "cancel a run", (*server).cancelRun},
		{"POST", ns + "/runs/{name}/approve", "update", "runs", "let a run start that waits for it, such as one of a fork's merge request", jobAction("approve")},
		{"POST", ns + "/runs/{name}/rerun", "update", "runs", "run the same commit again, what failed, or from a job on", (*server).rerun},
		{"DELETE", ns + "/runs/{name}", "delete", "runs", "delete a run with its logs and artifacts", (*server).deleteRun},
		{"POST", ns + "/runs/{name}/jobs/{job}/play", "update", "runs", "start a manual or delayed job now", (*server).playJob},
		{"POST", ns + "/runs/{name}/jobs/{job}/unplay", "update", "runs", "take a start back; a delayed job then waits for a person", jobAction("unplay")},
		{"POST", ns + "/runs/{name}/jobs/{job}/approve", "update", "runs", "approve a job that asks for it", jobAction("approve")},
		{"POST", ns + "/runs/{name}/jobs/{job}/cancel", "update", "runs", "cancel one job", jobAction("cancel")},
		{"POST", ns + "/runs/{name}/jobs/{job}/retry", "update", "runs", "do a job again, and what was skipped for it", jobAction("retry")},
		{"GET", ns + "/runs/{name}/jobs/{job}/log", "get", "runs", "a job's log", (*server).jobLog},
		{"GET", ns + "/runs/{name}/jobs/{job}/artifacts", "get", "runs", "a job's artifacts", (*server).artifacts},
		{"GET", ns + "/runs/{name}/jobs/{job}/artifacts/index", "get", "runs", "the files of a job's artifacts", (*server).artifactIndex},
		{"GET", ns + "/runs/{name}/jobs/{job}/artifacts/file", "get", "runs", "one file of a job's artifacts", (*server).artifactFile},
		{"GET", ns + "/runs/{name}/jobs/{job}/reports/{kind}", "get", "runs", "the files of one kind of a job's reports", (*server).jobReport},
		{"GET", ns + "/runs/{name}/jobs/{job}/tests", "get", "runs", "the test cases that a job reported", (*server).jobTests},
		{"GET", ns + "/runs/{name}/jobs/{job}/coverage", "get", "runs", "a job's coverage report, by file and line", (*server).jobCoverage},
		{"GET", ns + "/runs/{name}/coverage", "get", "runs", "coverage reports, by file, compared with the run before on the ref", (*server).runCoverage},
		{"GET", ns + "/runs/{name}/tests", "get", "runs", "tests and coverage, compared with the run before on the ref", (*server).runTests},

		{"GET", "/api/v1/applications", "", "", "list applications of all namespaces in which the user may, as below", (*server).everyApplication},
		{"GET", ns + "/applications", "list", "applications", "list applications: limit, continue, q (words), health, sync, repository, destination, applicationset, promotedFrom, failing, brief (without objects)", (*server).listApplications},
		{"POST", ns + "/applications", "create", "applications", "create an application", (*server).createApplication},
		{"GET", ns + "/applications/{name}", "get", "applications", "read an application", get(applications)},
		{"PATCH", ns + "/applications/{name}", "update", "applications", "change the spec of an application: what is sent is merged into it, null takes a field away", (*server).changeApplication},
		{"DELETE", ns + "/applications/{name}", "delete", "applications", "delete an application; ?cascade=false leaves its objects", (*server).deleteApplication},
		{"GET", ns + "/applications/{name}/releases", "list", "releases", "release history, newest first", (*server).releases},
		{"GET", ns + "/applications/{name}/diff", "get", "applications", "desired against live", (*server).diff},
		{"POST", ns + "/applications/{name}/diff", "update", "applications", "a gzipped tar file of a working copy, rendered as the application says, against live", (*server).diffLocal},
		{"POST", ns + "/applications/{name}/sync", "update", "applications", "apply the desired value again, all of it or some objects", (*server).syncApplication},
		{"GET", ns + "/applications/{name}/preview", "get", "applications", "what a sync would change; ?only=Kind/name&prune=false", (*server).previewSync},
		{"POST", ns + "/applications/{name}/refresh", "update", "applications", "look at its repository, and at what it has applied, now", (*server).refresh},
		{"POST", ns + "/applications/{name}/rollback", "update", "applications", "pin a release; 0, or none, is the healthy one before this one", (*server).rollback},
		{"POST", ns + "/applications/{name}/stop", "update", "applications", "stop the rollout that is under way and put the last healthy release back", (*server).stop},
		{"POST", ns + "/applications/{name}/unpin", "update", "applications", "follow the desired value again", (*server).unpin},
	})
}

type server struct {
	Deps
	log   *slog.Logger
	trees atomic.Int32 // watched
	local atomic.Int32 // working copies that are compared
}

// Handler serves Routes. It expects the user in the request's context.
func Handler(d Deps, log *slog.Logger) http.Handler {
	s := &server{Deps: d, log: log}
	mux := http.NewServeMux()
	for _, route := range Routes() {
		mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
			out := &begun{ResponseWriter: w}
			err := s.authorize(r, route)
			if err == nil {
				err = route.handle(s, out, r)
			}
			if err != nil {
				out.fail(log, err)
			}
		})
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		WriteError(w, log, refuse(http.StatusNotFound, "GET /api/v1/openapi.json lists the routes", "no route %s %s", r.Method, r.URL.Path))
	})
	return mux
}

func (s *server) authorize(r *http.Request, route Route) error {
	u, ok := UserFrom(r.Context())
	if !ok {
		return refuse(http.StatusUnauthorized, "", "unauthorized")
	}
	if route.Verb == "" {
		return nil
	}
	ns := r.PathValue("ns")
	if ns != "" {
		if _, err := pathName(r, "ns"); err != nil {
			return err
		}
	}
	allowed, err := s.Authorizer.Allowed(r.Context(), u, route.Verb, route.Resource, ns, r.PathValue("name"))
	if err != nil {
		return err
	}
	if !allowed {
		where := ""
		if ns != "" {
			where = " in namespace " + ns
		}
		return refuse(http.StatusForbidden, "ask an administrator for a role that allows it", "%s may not %s %s%s", u.Name, route.Verb, route.Resource, where)
	}
	return nil
}
