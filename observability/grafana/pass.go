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
	"time"

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
	// what Grafana lists, and which dashboards are asked for all the same
	folders, boards map[string]hit
	look            map[string]bool
}

// errRemoved is in place of a pass when somebody asked for removal.
var errRemoved = errors.New("grafana: removed by a person")

// Pass puts everything right once. What can be done is done although another thing fails.
func (p *Provisioner) Pass(ctx context.Context) error {
	if err := p.pass(ctx, false); !errors.Is(err, errRemoved) {
		return err
	}
	return nil
}

// begin waits until no other pass goes on. end is to be called when this one is over.
func (p *Provisioner) begin(ctx context.Context) (end func(), err error) {
	select {
	case p.passes <- struct{}{}:
		return func() { <-p.passes }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// pass looks at all dashboards closely, or at some of many.
func (p *Provisioner) pass(ctx context.Context, all bool) error {
	end, err := p.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if p.state.Removed {
		return errRemoved
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.mu.Lock()
	p.cancel = cancel
	p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.done()
	want, err := p.Desired(ctx)
	if err != nil {
		return fmt.Errorf("grafana: what should be there: %w", err)
	}
	r := &pass{Provisioner: p, session: s, want: want}
	if r.folders, r.boards, err = r.found(); err == nil {
		r.look = r.turn(all)
		r.steps()
	} else {
		r.errs = append(r.errs, err)
	}
	if err := p.save(); err != nil {
		r.errs = append(r.errs, err)
	}
	p.mu.Lock()
	p.status.Dashboards, p.status.Kept, p.status.Writes, p.status.Requests = len(p.state.Dashboards), r.kept, r.writes, int(s.asked.Load())
	p.status.Incomplete = want.Incomplete
	p.mu.Unlock()
	if context.Cause(ctx) == errRemoved {
		return errRemoved
	}
	return r.reasons()
}

// A pass that fails everywhere ends early, and tells a few of its reasons.
const (
	mostErrors = 50
	toldErrors = 5
)

func (r *pass) reasons() error {
	if n := len(r.errs) - toldErrors; n > 0 {
		return errors.Join(append(slices.Clone(r.errs[:toldErrors]), fmt.Errorf("and %d more", n))...)
	}
	return errors.Join(r.errs...)
}

// steps are everything that is wanted, in order, until Grafana is away.
func (r *pass) steps() {
	var steps []func() error
	for _, d := range r.want.DataSources {
		steps = append(steps, func() error { return r.dataSource(d) })
	}
	for _, f := range r.want.Folders {
		steps = append(steps, func() error { return r.folder(f) })
	}
	for _, d := range r.want.Dashboards {
		steps = append(steps, func() error { return r.dashboard(d) })
	}
	if !r.want.Incomplete {
		steps = append(steps, func() error { return r.unwanted(false) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			r.errs = append(r.errs, err)
			if away(err) || len(r.errs) == mostErrors {
				return
			}
		}
	}
}

// wrote remembers a write.
func (r *pass) wrote() error {
	r.writes++
	return r.saveSoon()
}

func (r *pass) folder(want Folder) error {
	what := fmt.Sprintf("folder %q", want.Title)
	if before, known := r.state.Folders[want.UID]; known && before == want.Title && r.folders[want.UID].Title == want.Title {
		return nil
	}
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
	r.state.DataSources[want.UID] = written{Version: int64(live.Version), Digest: sum}
	return r.wrote()
}

func (r *pass) dashboard(want Dashboard) error {
	what := fmt.Sprintf("dashboard %q", want.Title)
	if !uids.MatchString(want.UID) {
		return fmt.Errorf("%s: %s: the UID %q is none that Grafana takes", r.where, what, want.UID)
	}
	sum := digest([]any{format, want, r.sources()})
	if r.quiet(want, sum) {
		return nil
	}
	var model map[string]any
	if err := json.Unmarshal(want.JSON, &model); err != nil {
		return fmt.Errorf("%s: %s: %w", r.where, what, err)
	}
	model = ready(model, r.want.DataSources)
	model["uid"], model["title"] = want.UID, want.Title

	live, err := r.DashboardByUID(want.UID)
	if status := statusOf(err); err != nil && status != http.StatusNotFound {
		return r.says(what, err)
	}
	r.looked[want.UID] = time.Now()
	if err == nil {
		version := versionOf(live.Model)
		before, known := r.state.Dashboards[want.UID]
		untouched := known && before.Version == version && live.Meta.FolderUID == want.Folder
		same := live.Meta.FolderUID == want.Folder && digest(without(live.Model, "id", "version")) == digest(without(model, "id", "version"))
		switch {
		case untouched && before.Digest == sum:
			return nil
		case same: // a person took the edit back, or our memory was lost
			r.state.Dashboards[want.UID] = written{Version: version, Digest: sum}
			return nil
		case !untouched && r.Edits == Keep:
			r.kept = append(r.kept, want.Title)
			if known {
				before.Edited = true
				r.state.Dashboards[want.UID] = before
			}
			return nil
		}
		model["version"] = version // 412 if a person is faster
	}
	saved, err := r.NewDashboard(gapi.Dashboard{Model: model, FolderUID: want.Folder, Message: "Slipway"})
	if err != nil {
		return r.says(what, err)
	}
	r.state.Dashboards[want.UID] = written{Version: saved.Version, Digest: sum}
	return r.wrote()
}

// format is part of what is compared: another number writes every dashboard again.
const format = 1

// sources are what of the data sources is in dashboards.
func (r *pass) sources() []string {
	var all []string
	for _, s := range r.want.DataSources {
		all = append(all, s.Type, s.UID, s.Name)
	}
	return all
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
