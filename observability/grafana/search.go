package grafana

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"
)

// One search says of a hundred dashboards whether they are there, in which folder and by
// which title. Whether somebody edited one only an answer about itself tells, so that of
// many a part is asked for in each pass, in turn.
const (
	searchChunk = 100
	searchMost  = 5000 // what Grafana lists at most
	// looks are how many dashboards are asked for in any pass, and lookTurns in how many
	// passes all of many are: an hour. Passes that follow one another faster, as when much
	// is pushed, do not ask for the same ones.
	looks     = 50
	lookTurns = 12
	lookAgain = time.Minute
)

type hit = gapi.FolderDashboardSearchResponse

// found is what Grafana lists, by UID. What it does not list may be there all the same (its
// index is behind, or it is older than the parameter): that is asked for by itself.
func (r *pass) found() (folders, boards map[string]hit, err error) {
	folders, boards = map[string]hit{}, map[string]hit{}
	search := func(into map[string]hit, params url.Values) error {
		hits, err := r.FolderDashboardSearch(params)
		if err != nil {
			return r.says("a search", err)
		}
		for _, h := range hits {
			into[h.UID] = h
		}
		return nil
	}
	if len(r.want.Folders) > 0 {
		if err := search(folders, url.Values{"type": {"dash-folder"}, "limit": {strconv.Itoa(searchMost)}}); err != nil {
			return nil, nil, err
		}
	}
	var known []string
	for _, d := range r.want.Dashboards {
		if _, ok := r.state.Dashboards[d.UID]; ok && uids.MatchString(d.UID) {
			known = append(known, d.UID)
		}
	}
	for some := range slices.Chunk(known, searchChunk) {
		if err := search(boards, url.Values{"type": {"dash-db"}, "dashboardUIDs": some, "limit": {strconv.Itoa(searchChunk)}}); err != nil {
			return nil, nil, err
		}
	}
	return folders, boards, nil
}

// turn are the dashboards that are asked for in this pass whatever the search says: those
// that were not for the longest time, or all of them.
func (r *pass) turn(all bool) map[string]bool {
	looked := map[string]time.Time{}
	for _, d := range r.want.Dashboards { // without what is gone
		looked[d.UID] = r.looked[d.UID]
	}
	r.looked = looked
	order := slices.SortedStableFunc(maps.Keys(looked), func(a, b string) int {
		return cmp.Or(looked[a].Compare(looked[b]), cmp.Compare(a, b))
	})
	if !all {
		order = slices.DeleteFunc(order, func(uid string) bool { return time.Since(looked[uid]) < lookAgain })
		order = order[:min(len(order), max(looks, (len(looked)+lookTurns-1)/lookTurns))]
	}
	turn := map[string]bool{}
	for _, uid := range order {
		turn[uid] = true
	}
	return turn
}

// quiet says that a dashboard need not be asked for: we wrote it, it is where it should be
// by its title, and there is nothing new to write.
func (r *pass) quiet(want Dashboard, sum string) bool {
	before, known := r.state.Dashboards[want.UID]
	h, listed := r.boards[want.UID]
	if !known || !listed || r.look[want.UID] {
		return false
	}
	if before.Edited && r.Edits == Keep {
		r.kept = append(r.kept, want.Title)
		return true
	}
	return before.Digest == sum && h.FolderUID == want.Folder && strings.TrimSpace(h.Title) == strings.TrimSpace(want.Title)
}
