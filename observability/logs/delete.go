package logs

import (
	"context"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// Collected begin the names of the data streams that Slipway's own collectors write.
var Collected = []string{PodsIndex, "logs-slipway-", "logs-audit-"}

// Delete begins to delete what a selection without pipes has, and says whether there is
// anything to delete. It goes on after a restart. While a deletion of the same id is
// under way, another does not begin.
func (s *Store) Delete(ctx context.Context, id string, sel Selection) (began bool, err error) {
	f, err := logstorage.ParseFilter(sel.Text)
	if err != nil {
		return false, fmt.Errorf("%w %q: %w", ErrQuery, sel.Text, err)
	}
	if !sel.Every {
		if f, err = logstorage.ParseFilter(within(sel.Namespaces) + " (" + f.String() + ")"); err != nil {
			return false, err
		}
	}
	// Looking is cheap, and a deletion writes all it leaves of a file again.
	found := false
	if err := s.Select(ctx, Selection{Every: true, Text: f.String() + " | limit 1"}, func([]Field) { found = true }); err != nil || !found {
		return false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.storage == nil {
		return false, fmt.Errorf("log store: closed")
	}
	if err := s.storage.DeleteRunTask(ctx, id, time.Now().UnixNano(), []logstorage.TenantID{{}}, f); err != nil {
		return false, fmt.Errorf("log store: %w", err)
	}
	return true, nil
}
