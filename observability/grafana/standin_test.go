package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-openapi/strfmt"
	"github.com/grafana/grafana-openapi-client-go/models"
)

// standIn answers as Grafana's published OpenAPI document says: what comes in and what goes
// out are the types that are generated from it, and each is validated. The rules that the
// document tells in words (versions, names, what a folder's deletion takes) are written out.
type standIn struct {
	t     *testing.T
	token string

	mu      sync.Mutex
	away    bool
	folders map[string]*models.Folder
	sources map[string]*models.DataSource
	secrets map[string]map[string]string
	boards  map[string]*models.DashboardFullWithMeta
	ids     int64
	writes  []string
	calls   int
	meddle  func(method, path string) // before a request is answered
}

func newStandIn(t *testing.T) *standIn {
	return &standIn{t: t, token: "glsa_secret", folders: map[string]*models.Folder{}, sources: map[string]*models.DataSource{},
		secrets: map[string]map[string]string{}, boards: map[string]*models.DashboardFullWithMeta{}}
}

// RoundTrip has no network, so that a test's clock may jump.
func (g *standIn) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if g.away {
		return nil, fmt.Errorf("dial tcp: connection refused")
	}
	if g.meddle != nil {
		g.meddle(r.Method, r.URL.Path)
	}
	w := httptest.NewRecorder()
	g.mux().ServeHTTP(w, r)
	return w.Result(), nil
}

type validated interface{ Validate(strfmt.Registry) error }

func (g *standIn) answer(w http.ResponseWriter, status int, v any) {
	if v, ok := v.(validated); ok {
		if err := v.Validate(strfmt.Default); err != nil {
			g.t.Errorf("the stand-in's answer %T: %v", v, err)
		}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (g *standIn) refuse(w http.ResponseWriter, status int, kind, text string) {
	g.answer(w, status, &models.ErrorResponseBody{Message: &text, Status: kind})
}

func (g *standIn) read(r *http.Request, v validated) bool {
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err == nil {
		err = v.Validate(strfmt.Default)
	}
	if err != nil || r.Header.Get("Content-Type") != "application/json" {
		g.t.Errorf("%s %s: %v in %s", r.Method, r.URL.Path, err, b)
		return false
	}
	g.writes = append(g.writes, r.Method+" "+r.URL.Path)
	return true
}

func (g *standIn) mux() http.Handler {
	m := http.NewServeMux()
	route := func(pattern string, f func(w http.ResponseWriter, r *http.Request)) {
		m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+g.token {
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
		for _, name := range keys(g.boards) { // what is in it goes too
			if g.boards[name].Meta.FolderUID == uid {
				delete(g.boards, name)
			}
		}
		delete(g.folders, uid)
		text := "Folder " + f.Title + " deleted"
		g.answer(w, 200, &models.DeleteFolderOKBody{ID: &f.ID, Message: &text, Title: &f.Title})
	})
	route("GET /api/search", func(w http.ResponseWriter, r *http.Request) {
		hits := models.HitList{}
		for _, uid := range keys(g.boards) {
			if slices.Contains(r.URL.Query()["folderUIDs"], g.boards[uid].Meta.FolderUID) {
				hits = append(hits, &models.Hit{UID: uid, Type: "dash-db", FolderUID: g.boards[uid].Meta.FolderUID, Tags: []string{}})
			}
		}
		g.answer(w, 200, hits)
	})
	g.sourceRoutes(route)
	g.boardRoutes(route)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		g.t.Errorf("%s %s is not in the contract", r.Method, r.URL)
		w.WriteHeader(404)
	})
	return m
}

// found answers with what has the UID of the path.
func found[T any](g *standIn, in map[string]T, status, missing string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v, ok := in[r.PathValue("uid")]; ok {
			g.answer(w, http.StatusOK, v)
		} else {
			g.refuse(w, http.StatusNotFound, status, missing)
		}
	}
}

func (g *standIn) sourceRoutes(route func(string, func(http.ResponseWriter, *http.Request))) {
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

func (g *standIn) boardRoutes(route func(string, func(http.ResponseWriter, *http.Request))) {
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

// put is a save; an edit of a person too.
func (g *standIn) put(uid, folder string, version int64, model map[string]any) {
	b, _ := json.Marshal(model)
	var own map[string]any
	_ = json.NewDecoder(bytes.NewReader(b)).Decode(&own)
	own["version"], own["id"] = version, 7
	g.boards[uid] = &models.DashboardFullWithMeta{Dashboard: own, Meta: &models.DashboardMeta{FolderUID: folder, Version: version, Slug: uid}}
}

// edit is what a person does in the browser.
func (g *standIn) edit(uid, title string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.boards[uid]
	model := without(b.Dashboard.(map[string]any))
	model["title"] = title
	g.put(uid, b.Meta.FolderUID, b.Meta.Version+1, model)
}

func (g *standIn) title(uid string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.boards[uid] == nil {
		return ""
	}
	return g.boards[uid].Dashboard.(map[string]any)["title"].(string)
}

// wrote are the writes since the last call.
func (g *standIn) wrote() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.writes
	g.writes = nil
	return w
}

func keys[V any](m map[string]V) []string { return sorted(m) }

// below serves Grafana below a path.
type below struct{ g *standIn }

func (b below) RoundTrip(r *http.Request) (*http.Response, error) {
	path, ok := strings.CutPrefix(r.URL.Path, "/sub")
	if !ok {
		b.g.t.Errorf("%s is not below /sub", r.URL)
	}
	r = r.Clone(r.Context())
	r.URL.Path = path
	return b.g.RoundTrip(r)
}
