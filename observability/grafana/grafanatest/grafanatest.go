// Package grafanatest owns a stand-in for Grafana, for tests: it reads and answers with the
// types that are generated from Grafana's published OpenAPI document, each one validated.
// The rules that the document tells in words (versions, names, what a folder's deletion
// takes) are written out. It is no Grafana: it draws nothing. Start at New.
package grafanatest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-openapi/strfmt"
	"github.com/grafana/grafana-openapi-client-go/models"
	"golang.org/x/time/rate"
)

// Grafana is the stand-in, as a handler and as a transport.
type Grafana struct {
	problem func(format string, args ...any)
	mux     *http.ServeMux

	mu      sync.Mutex
	token   string
	away    bool
	folders map[string]*models.Folder
	sources map[string]*models.DataSource
	secrets map[string]map[string]string
	boards  map[string]*models.DashboardFullWithMeta
	ids     int64
	writes  []string
	calls   int
	behind  bool
	limit   *rate.Limiter
	refused int
	meddle  func(method, path string)
}

// New has nothing in it. It tells problem what of a request is not in the contract.
func New(token string, problem func(format string, args ...any)) *Grafana {
	g := &Grafana{problem: problem, token: token, folders: map[string]*models.Folder{}, sources: map[string]*models.DataSource{},
		secrets: map[string]map[string]string{}, boards: map[string]*models.DashboardFullWithMeta{}}
	g.mux = g.routes()
	return g
}

// RoundTrip has no network, so that a test's clock may jump.
func (g *Grafana) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.isAway() {
		return nil, fmt.Errorf("dial tcp: connection refused")
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Result(), nil
}

func (g *Grafana) isAway() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.away {
		g.calls++
	}
	return g.away
}

// ServeHTTP answers one request after the other; while it is away, it hangs up.
func (g *Grafana) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if g.away {
		panic(http.ErrAbortHandler)
	}
	if g.limit != nil && !g.limit.Allow() {
		g.refused++
		w.Header().Set("Retry-After", "10")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if g.meddle != nil {
		g.meddle(r.Method, r.URL.Path)
	}
	g.mux.ServeHTTP(w, r)
}

type validated interface{ Validate(strfmt.Registry) error }

func (g *Grafana) answer(w http.ResponseWriter, status int, v any) {
	if v, ok := v.(validated); ok {
		if err := v.Validate(strfmt.Default); err != nil {
			g.problem("the stand-in's answer %T: %v", v, err)
		}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (g *Grafana) refuse(w http.ResponseWriter, status int, kind, text string) {
	g.answer(w, status, &models.ErrorResponseBody{Message: &text, Status: kind})
}

func (g *Grafana) read(r *http.Request, v validated) bool {
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err == nil {
		err = v.Validate(strfmt.Default)
	}
	if err != nil || r.Header.Get("Content-Type") != "application/json" {
		g.problem("%s %s: %v in %s", r.Method, r.URL.Path, err, b)
		return false
	}
	g.writes = append(g.writes, r.Method+" "+r.URL.Path)
	return true
}

func (g *Grafana) routes() *http.ServeMux {
	m := http.NewServeMux()
	route := func(pattern string, f func(w http.ResponseWriter, r *http.Request)) {
		m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if user, password, ok := r.BasicAuth(); r.Header.Get("Authorization") != "Bearer "+g.token && (!ok || user+":"+password != g.token) {
				g.refuse(w, http.StatusUnauthorized, "", "Invalid API key "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
				return
			}
			if r.Method == http.MethodDelete {
				g.writes = append(g.writes, r.Method+" "+r.URL.Path)
			}
			f(w, r)
		})
	}
	m.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		g.answer(w, 200, &models.HealthResponse{Database: "ok", Version: "12.1.0", Commit: "c"})
	})
	route("GET /api/folders/{uid}", found(g, g.folders, "not-found", "folder not found"))
	route("POST /api/folders", func(w http.ResponseWriter, r *http.Request) {
		var c models.CreateFolderCommand
		if !g.read(r, &c) || c.Title == "" {
			g.refuse(w, 400, "", "folder title cannot be empty")
			return
		}
		if g.folders[c.UID] != nil {
			g.refuse(w, 409, "", "the folder has been changed by someone else")
			return
		}
		g.ids++
		g.folders[c.UID] = &models.Folder{ID: g.ids, UID: c.UID, Title: c.Title, Version: 1}
		g.answer(w, 200, g.folders[c.UID])
	})
	route("PUT /api/folders/{uid}", func(w http.ResponseWriter, r *http.Request) {
		var c models.UpdateFolderCommand
		f := g.folders[r.PathValue("uid")]
		if !g.read(r, &c) || f == nil {
			g.refuse(w, 404, "not-found", "folder not found")
			return
		}
		if !c.Overwrite && c.Version != f.Version {
			g.refuse(w, 412, "version-mismatch", "the folder has been changed by someone else")
			return
		}
		f.Title, f.Version = c.Title, f.Version+1
		g.answer(w, 200, f)
	})
	route("DELETE /api/folders/{uid}", func(w http.ResponseWriter, r *http.Request) {
		uid := r.PathValue("uid")
		f := g.folders[uid]
		if f == nil {
			g.refuse(w, 404, "not-found", "folder not found")
			return
		}
		for _, name := range sorted(g.boards) { // what is in it goes too
			if g.boards[name].Meta.FolderUID == uid {
				delete(g.boards, name)
			}
		}
		delete(g.folders, uid)
		text := "Folder " + f.Title + " deleted"
		g.answer(w, 200, &models.DeleteFolderOKBody{ID: &f.ID, Message: &text, Title: &f.Title})
	})
	route("GET /api/search", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), "1000"))
		if err != nil || limit < 1 || limit > 5000 || len(r.URL.RawQuery) > 8000 {
			g.problem("a search that Grafana would not take: %s", r.URL.RawQuery)
		}
		for name := range q {
			if !slices.Contains([]string{"type", "limit", "folderUIDs", "dashboardUIDs"}, name) {
				g.problem("a search has %s", name)
			}
		}
		hits := models.HitList{}
		add := func(h *models.Hit) {
			if len(hits) < limit && !g.behind {
				h.Tags = []string{}
				hits = append(hits, h)
			}
		}
		if q.Get("type") != "dash-db" && !q.Has("dashboardUIDs") {
			for _, uid := range sorted(g.folders) {
				if !q.Has("folderUIDs") {
					add(&models.Hit{UID: uid, Title: g.folders[uid].Title, Type: "dash-folder"})
				}
			}
		}
		for _, uid := range sorted(g.boards) {
			b := g.boards[uid]
			in := !q.Has("folderUIDs") || slices.Contains(q["folderUIDs"], b.Meta.FolderUID)
			if in && q.Get("type") != "dash-folder" && (!q.Has("dashboardUIDs") || slices.Contains(q["dashboardUIDs"], uid)) {
				title, _ := b.Dashboard.(map[string]any)["title"].(string)
				add(&models.Hit{UID: uid, Title: title, Type: "dash-db", FolderUID: b.Meta.FolderUID})
			}
		}
		g.answer(w, 200, hits)
	})
	g.sourceRoutes(route)
	g.boardRoutes(route)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		g.problem("%s %s is not in the contract", r.Method, r.URL)
		w.WriteHeader(404)
	})
	return m
}

// found answers with what has the UID of the path.
func found[T any](g *Grafana, in map[string]T, status, missing string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v, ok := in[r.PathValue("uid")]; ok {
			g.answer(w, http.StatusOK, v)
		} else {
			g.refuse(w, http.StatusNotFound, status, missing)
		}
	}
}

func (g *Grafana) sourceRoutes(route func(string, func(http.ResponseWriter, *http.Request))) {
	taken := func(name, uid string) bool {
		for u, s := range g.sources {
			if s.Name == name && u != uid {
				return true
			}
		}
		return false
	}
	route("GET /api/datasources/uid/{uid}", found(g, g.sources, "", "Data source not found"))
	route("POST /api/datasources", func(w http.ResponseWriter, r *http.Request) {
		var c models.AddDataSourceCommand
		if !g.read(r, &c) || c.Name == "" || c.Type == "" || c.Access == "" {
			g.refuse(w, 400, "", "bad request data")
			return
		}
		if g.sources[c.UID] != nil || taken(c.Name, "") {
			g.refuse(w, 409, "", "data source with the same name already exists")
			return
		}
		g.ids++
		s := &models.DataSource{ID: g.ids, UID: c.UID, Name: c.Name, Type: c.Type, URL: c.URL, Access: c.Access, Database: c.Database, JSONData: c.JSONData, Version: 1}
		g.sources[c.UID], g.secrets[c.UID] = s, c.SecureJSONData
		text := "Datasource added"
		g.answer(w, 200, &models.AddDataSourceOKBody{Datasource: s, ID: &s.ID, Message: &text, Name: &s.Name})
	})
	route("PUT /api/datasources/uid/{uid}", func(w http.ResponseWriter, r *http.Request) {
		var c models.UpdateDataSourceCommand
		s := g.sources[r.PathValue("uid")]
		if !g.read(r, &c) || s == nil {
			g.refuse(w, 404, "", "Data source not found")
			return
		}
		if taken(c.Name, c.UID) || c.Version != 0 && c.Version != s.Version {
			g.refuse(w, 409, "", "Datasource has already been updated by someone else. Please reload and try again")
			return
		}
		s.Name, s.URL, s.JSONData, s.Database, s.Version = c.Name, c.URL, c.JSONData, c.Database, s.Version+1
		g.secrets[s.UID] = c.SecureJSONData
		text := "Datasource updated"
		g.answer(w, 200, &models.UpdateDataSourceByUIDOKBody{Datasource: s, ID: &s.ID, Message: &text, Name: &s.Name})
	})
	route("DELETE /api/datasources/name/{name}", func(w http.ResponseWriter, r *http.Request) {
		for uid, s := range g.sources {
			if s.Name == r.PathValue("name") {
				delete(g.sources, uid)
				text := "Data source deleted"
				g.answer(w, 200, &models.DeleteDataSourceByNameOKBody{ID: &s.ID, Message: &text})
				return
			}
		}
		g.refuse(w, 404, "", "Data source not found")
	})
}

func (g *Grafana) boardRoutes(route func(string, func(http.ResponseWriter, *http.Request))) {
	route("GET /api/dashboards/uid/{uid}", found(g, g.boards, "", "Dashboard not found"))
	route("POST /api/dashboards/db", func(w http.ResponseWriter, r *http.Request) {
		var c models.SaveDashboardCommand
		if !g.read(r, &c) {
			g.refuse(w, 400, "", "bad request data")
			return
		}
		model, _ := c.Dashboard.(map[string]any)
		uid, _ := model["uid"].(string)
		title, _ := model["title"].(string)
		if title == "" || len(uid) > 40 {
			g.refuse(w, 400, "empty-name", "Dashboard title cannot be empty")
			return
		}
		if c.FolderUID != "" && g.folders[c.FolderUID] == nil {
			g.refuse(w, 400, "", "folder not found")
			return
		}
		version := int64(1)
		if live := g.boards[uid]; live != nil {
			said, _ := model["version"].(float64)
			if !c.Overwrite && int64(said) != live.Meta.Version {
				g.refuse(w, 412, "version-mismatch", "The dashboard has been changed by someone else")
				return
			}
			version = live.Meta.Version + 1
		}
		g.put(uid, c.FolderUID, version, model)
		kind, path := "success", "/d/"+uid
		id := int64(7)
		g.answer(w, 200, &models.PostDashboardOKBody{ID: &id, Status: &kind, Title: &title, UID: &uid, URL: &path, Version: &version, FolderUID: c.FolderUID})
	})
	route("DELETE /api/dashboards/uid/{uid}", func(w http.ResponseWriter, r *http.Request) {
		uid := r.PathValue("uid")
		if g.boards[uid] == nil {
			g.refuse(w, 404, "", "Dashboard not found")
			return
		}
		delete(g.boards, uid)
		text := "Dashboard deleted"
		g.answer(w, 200, &models.DeleteDashboardByUIDOKBody{Message: &text, Title: &text, UID: &uid})
	})
}

func (g *Grafana) put(uid, folder string, version int64, model map[string]any) {
	b, _ := json.Marshal(model)
	var own map[string]any
	_ = json.NewDecoder(bytes.NewReader(b)).Decode(&own)
	own["version"], own["id"] = version, 7
	g.boards[uid] = &models.DashboardFullWithMeta{Dashboard: own, Meta: &models.DashboardMeta{FolderUID: folder, Version: version, Slug: uid}}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
