package grafanatest

import (
	"maps"
	"net/http"
	"strings"

	"golang.org/x/time/rate"
)

// What people and the world do to it, and what a test sees of it.

// Edit is what a person does to a dashboard in the browser.
func (g *Grafana) Edit(uid string, change func(model map[string]any)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.boards[uid]
	model := maps.Clone(b.Dashboard.(map[string]any))
	change(model)
	g.put(uid, b.Meta.FolderUID, b.Meta.Version+1, model)
}

// Move a dashboard to another folder.
func (g *Grafana) Move(uid, folder string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.boards[uid].Meta.FolderUID = folder
}

// Add a dashboard of a person's.
func (g *Grafana) Add(uid, folder, title string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(uid, folder, 1, map[string]any{"title": title, "uid": uid})
}

// Delete dashboards, folders and data sources, by UID.
func (g *Grafana) Delete(all ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, uid := range all {
		delete(g.boards, uid)
		delete(g.folders, uid)
		delete(g.sources, uid)
	}
}

// SourceURL of a data source; Repoint has a person change it.
func (g *Grafana) SourceURL(uid string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sources[uid] == nil {
		return ""
	}
	return g.sources[uid].URL
}

// Repoint has a person change the URL of a data source.
func (g *Grafana) Repoint(uid, to string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sources[uid].URL = to
	g.sources[uid].Version++
}

// Secret of a data source, which Grafana itself never tells.
func (g *Grafana) Secret(uid, name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.secrets[uid][name]
}

// Model of a dashboard; nil when there is none.
func (g *Grafana) Model(uid string) map[string]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.boards[uid] == nil {
		return nil
	}
	return maps.Clone(g.boards[uid].Dashboard.(map[string]any))
}

// Title of a dashboard; empty when there is none.
func (g *Grafana) Title(uid string) string {
	title, _ := g.Model(uid)["title"].(string)
	return title
}

// Dashboards, Folders and Sources are the UIDs of what there is.
func (g *Grafana) Dashboards() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return sorted(g.boards)
}

// Folders by UID.
func (g *Grafana) Folders() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return sorted(g.folders)
}

// Sources by UID.
func (g *Grafana) Sources() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return sorted(g.sources)
}

// Wrote are the writes since the last call.
func (g *Grafana) Wrote() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.writes
	g.writes = nil
	return w
}

// Calls since the last call, and how many of them were too many.
func (g *Grafana) Calls() (calls, refused int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls, refused, g.calls, g.refused = g.calls, g.refused, 0, 0
	return calls, refused
}

// Away has it answer nobody.
func (g *Grafana) Away(away bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.away = away
}

// Behind has its search find nothing, as when its index is behind.
func (g *Grafana) Behind(behind bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.behind = behind
}

// Token is the one that it lets in from now on.
func (g *Grafana) Token(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token = token
}

// Limit how often it may be asked; nil lifts it.
func (g *Grafana) Limit(l *rate.Limiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = l
}

// Meddle calls f before each request is answered, which may call Save.
func (g *Grafana) Meddle(f func(method, path string)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meddle = f
}

// Save is a person's save while a request of ours is on its way: for Meddle alone.
func (g *Grafana) Save(uid, title string) {
	b := g.boards[uid]
	g.put(uid, b.Meta.FolderUID, b.Meta.Version+1, map[string]any{"title": title, "uid": uid})
}

// Below serves it below a path.
func (g *Grafana) Below(path string) http.RoundTripper { return below{g, path} }

type below struct {
	*Grafana
	path string
}

func (b below) RoundTrip(r *http.Request) (*http.Response, error) {
	path, ok := strings.CutPrefix(r.URL.Path, b.path)
	if !ok {
		b.problem("%s is not below %s", r.URL, b.path)
	}
	r = r.Clone(r.Context())
	r.URL.Path = path
	return b.Grafana.RoundTrip(r)
}
