package grafana

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	gapi "github.com/grafana/grafana-api-golang-client"
)

// Remove takes away everything that is ours, and remembers that it should stay away until
// Sync. Dashboards that a person edited are left where edits are kept, unless edited.
func (p *Provisioner) Remove(ctx context.Context, edited bool) (left []string, err error) {
	p.mu.Lock()
	if p.cancel != nil {
		p.cancel(errRemoved) // what it writes would go anyway
	}
	p.mu.Unlock()
	end, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	p.state.Removed = true
	if err := p.save(); err != nil {
		return nil, err
	}
	r := &pass{Provisioner: p}
	err = r.takeAll(ctx, edited)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Removed, p.status.Dashboards, p.status.Kept, p.status.Writes, p.status.Problem = true, len(p.state.Dashboards), nil, r.writes, ""
	if err != nil {
		p.status.Problem = err.Error() + "; until `slipway grafana remove` goes through, some of Slipway's is there still"
	}
	return r.kept, err
}

func (r *pass) takeAll(ctx context.Context, edited bool) (err error) {
	if r.session, err = r.Provisioner.open(ctx); err != nil {
		return err
	}
	defer r.done()
	return errors.Join(r.unwanted(edited), r.save())
}

// Sync puts everything right now, after Remove too, and looks at each dashboard.
func (p *Provisioner) Sync(ctx context.Context) error {
	if err := p.resume(ctx); err != nil {
		return err
	}
	err := p.pass(ctx, true)
	p.told(err)
	return err
}

func (p *Provisioner) resume(ctx context.Context) error {
	end, err := p.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	p.state.Removed = false
	p.mu.Lock()
	p.status.Removed = false
	p.mu.Unlock()
	return p.save()
}

// unwanted goes: dashboards first, then folders that nobody uses, then data sources.
func (r *pass) unwanted(edited bool) error {
	var errs []error
	boards := wanted(r.want.Dashboards, func(d Dashboard) string { return d.UID })
	for _, uid := range sorted(r.state.Dashboards) {
		if !boards[uid] {
			if err := r.takeDashboard(uid, edited); err != nil {
				errs = append(errs, err)
				if away(err) {
					return errors.Join(errs...)
				}
			}
		}
	}
	folders := wanted(r.want.Folders, func(f Folder) string { return f.UID })
	for _, uid := range sorted(r.state.Folders) {
		if !folders[uid] {
			errs = append(errs, r.takeFolder(uid))
		}
	}
	sources := wanted(r.want.DataSources, func(s gapi.DataSource) string { return s.UID })
	for _, uid := range sorted(r.state.DataSources) {
		if !sources[uid] {
			errs = append(errs, r.takeDataSource(uid))
		}
	}
	return errors.Join(errs...)
}

func (r *pass) takeDashboard(uid string, edited bool) error {
	live, err := r.DashboardByUID(uid)
	if err == nil {
		if versionOf(live.Model) != r.state.Dashboards[uid].Version && r.Edits == Keep && !edited {
			// It is the person's from now on.
			title, _ := live.Model["title"].(string)
			r.kept = append(r.kept, title)
			delete(r.state.Dashboards, uid)
			return nil
		}
		err = r.DeleteDashboardByUID(uid)
	}
	if err != nil && statusOf(err) != http.StatusNotFound {
		return r.says("dashboard "+uid, err)
	}
	delete(r.state.Dashboards, uid)
	return r.wrote()
}

// takeFolder only when nothing is in it: Grafana would delete that too.
func (r *pass) takeFolder(uid string) error {
	what := fmt.Sprintf("folder %q", r.state.Folders[uid])
	in, err := r.FolderDashboardSearch(url.Values{"folderUIDs": {uid}, "limit": {"1"}})
	if err != nil {
		return r.says(what, err)
	}
	if len(in) > 0 {
		return nil // looked at again at the next pass
	}
	if err := r.DeleteFolder(uid); err != nil && statusOf(err) != http.StatusNotFound {
		if statusOf(err) == http.StatusBadRequest {
			return nil // rules of alerts are in it
		}
		return r.says(what, err)
	}
	delete(r.state.Folders, uid)
	return r.wrote()
}

func (r *pass) takeDataSource(uid string) error {
	live, err := r.DataSourceByUID(uid)
	if err == nil {
		if strings.Contains(live.Name, "/") {
			return fmt.Errorf("%s: data source %q: a name with a slash cannot be deleted by its API; delete it by hand", r.where, live.Name)
		}
		err = r.DeleteDataSourceByName(live.Name)
	}
	if err != nil && statusOf(err) != http.StatusNotFound {
		return r.says("data source "+uid, err)
	}
	delete(r.state.DataSources, uid)
	return r.wrote()
}
