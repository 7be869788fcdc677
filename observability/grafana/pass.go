package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	gapi "github.com/grafana/grafana-api-golang-client"
)

// pass is one look at everything.
type pass struct {
	*Provisioner
	*session
	want   Desired
	errs   []error
	kept   []string
	writes int
}

// Pass puts everything right once. What can be done is done although another thing fails.
func (p *Provisioner) Pass(ctx context.Context) error {
	p.passes.Lock()
	defer p.passes.Unlock()
	if p.state.Removed {
		return nil
	}
	want, err := p.Desired(ctx)
	if err != nil {
		return fmt.Errorf("grafana: what should be there: %w", err)
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	r := &pass{Provisioner: p, session: s, want: want}
	steps := []func() error{}
	for _, d := range want.DataSources {
		steps = append(steps, func() error { return r.dataSource(d) })
	}
	for _, f := range want.Folders {
		steps = append(steps, func() error { return r.folder(f) })
	}
	for _, d := range want.Dashboards {
		steps = append(steps, func() error { return r.dashboard(d) })
	}
	if !want.Incomplete {
		steps = append(steps, func() error { return r.unwanted(false) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			r.errs = append(r.errs, err)
			if away(err) {
				break
			}
		}
	}
	p.mu.Lock()
	p.status.Dashboards, p.status.Kept, p.status.Writes = len(p.state.Dashboards), r.kept, r.writes
	p.status.Incomplete = want.Incomplete
	p.mu.Unlock()
	return errors.Join(r.errs...)
}

// wrote remembers a write.
func (r *pass) wrote() error {
	r.writes++
	return r.save()
}

func (r *pass) folder(want Folder) error {
	what := fmt.Sprintf("folder %q", want.Title)
	live, err := r.FolderByUID(want.UID)
	switch {
	case err == nil && live.Title == want.Title:
		r.state.Folders[want.UID] = want.Title
		return nil
	case err == nil && r.Edits == Keep && r.state.Folders[want.UID] == want.Title:
		return nil // somebody likes another title
	case err == nil:
		if err := r.UpdateFolder(want.UID, want.Title); err != nil {
			return r.says(what, err)
		}
	case statusOf(err) != http.StatusNotFound:
		return r.says(what, err)
	default:
		if _, err := r.NewFolder(want.Title, want.UID); err != nil {
			return r.says(what, err)
		}
	}
	r.state.Folders[want.UID] = want.Title
	return r.wrote()
}

// dataSource is always put right: nothing of a person's is in it.
func (r *pass) dataSource(want gapi.DataSource) error {
	what, sum := fmt.Sprintf("data source %q", want.Name), digest(want)
	for _, v := range want.SecureJSONData {
		if text, ok := v.(string); ok {
			r.secret = append(r.secret, text, strings.TrimPrefix(text, "Bearer "))
		}
	}
	live, err := r.DataSourceByUID(want.UID)
	switch before := r.state.DataSources[want.UID]; {
	case err == nil && live.ReadOnly:
		return fmt.Errorf("%s: %s is provisioned by a file of Grafana's own; take it out there", r.where, what)
	case err == nil && int64(live.Version) == before.Version && sum == before.Digest:
		return nil
	case err == nil:
		want.ID, want.Version, want.IsDefault = live.ID, live.Version, live.IsDefault
		if err := r.UpdateDataSourceByUID(&want); err != nil {
			return r.says(what, err)
		}
	case statusOf(err) != http.StatusNotFound:
		return r.says(what, err)
	default:
		if _, err := r.NewDataSource(&want); err != nil {
			return r.says(what, err)
		}
	}
	// The client does not tell the version that a write got.
	if live, err = r.DataSourceByUID(want.UID); err != nil {
		return r.says(what, err)
	}
	r.state.DataSources[want.UID] = written{int64(live.Version), sum}
	return r.wrote()
}

func (r *pass) dashboard(want Dashboard) error {
	what := fmt.Sprintf("dashboard %q", want.Title)
	if !uids.MatchString(want.UID) {
		return fmt.Errorf("%s: %s: the UID %q is none that Grafana takes", r.where, what, want.UID)
	}
	var model map[string]any
	if err := json.Unmarshal(want.JSON, &model); err != nil {
		return fmt.Errorf("%s: %s: %w", r.where, what, err)
	}
	model = ready(model, r.want.DataSources)
	model["uid"], model["title"] = want.UID, want.Title
	sum := digest([]any{model, want.Folder})

	live, err := r.DashboardByUID(want.UID)
	if status := statusOf(err); err != nil && status != http.StatusNotFound {
		return r.says(what, err)
	}
	if err == nil {
		version := versionOf(live.Model)
		before, known := r.state.Dashboards[want.UID]
		untouched := known && before.Version == version && live.Meta.FolderUID == want.Folder
		same := live.Meta.FolderUID == want.Folder && digest(without(live.Model, "id", "version")) == digest(without(model, "id", "version"))
		switch {
		case untouched && before.Digest == sum:
			return nil
		case same: // a person took the edit back, or our memory was lost
			r.state.Dashboards[want.UID] = written{version, sum}
			return r.save()
		case !untouched && r.Edits == Keep:
			r.kept = append(r.kept, want.Title)
			return nil
		}
		model["version"] = version // 412 if a person is faster
	}
	saved, err := r.NewDashboard(gapi.Dashboard{Model: model, FolderUID: want.Folder, Message: "Slipway"})
	if err != nil {
		return r.says(what, err)
	}
	r.state.Dashboards[want.UID] = written{saved.Version, sum}
	return r.wrote()
}

func versionOf(model map[string]any) int64 {
	v, _ := model["version"].(float64)
	return int64(v)
}

// ready is a dashboard as it is saved by the API: without what is only for importing by
// hand, and with our data sources chosen.
func ready(model map[string]any, sources []gapi.DataSource) map[string]any {
	of := map[string]gapi.DataSource{}
	for _, s := range sources {
		of[s.Type] = s
	}
	replace := []string{}
	inputs, _ := model["__inputs"].([]any)
	for _, i := range inputs {
		input, _ := i.(map[string]any)
		name, _ := input["name"].(string)
		plugin, _ := input["pluginId"].(string)
		if s, ok := of[plugin]; ok && name != "" {
			replace = append(replace, "${"+name+"}", s.UID)
		}
	}
	model = without(model, "__inputs", "__requires", "__elements", "id", "version")
	if len(replace) > 0 {
		model = texts(model, strings.NewReplacer(replace...)).(map[string]any)
	}
	if templating, ok := model["templating"].(map[string]any); ok {
		list, _ := templating["list"].([]any)
		for _, v := range list {
			variable, _ := v.(map[string]any)
			plugin, _ := variable["query"].(string)
			s, ours := of[plugin]
			if variable["type"] == "datasource" && ours {
				if current, _ := variable["current"].(map[string]any); len(current) == 0 || current["value"] == "" || current["value"] == "default" {
					variable["current"] = map[string]any{"selected": true, "text": s.Name, "value": s.UID}
				}
			}
		}
	}
	return model
}

func texts(v any, r *strings.Replacer) any {
	switch v := v.(type) {
	case string:
		return r.Replace(v)
	case []any:
		for i := range v {
			v[i] = texts(v[i], r)
		}
	case map[string]any:
		for k := range v {
			v[k] = texts(v[k], r)
		}
	}
	return v
}

// wanted UIDs of a kind.
func wanted[T any](all []T, uid func(T) string) map[string]bool {
	m := map[string]bool{}
	for _, t := range all {
		m[uid(t)] = true
	}
	return m
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
