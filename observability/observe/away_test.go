package observe

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// While the child is away, each API says so in its own form, and has callers try again.
func TestAChildThatIsAwayIsToldInTheFormOfEachAPI(t *testing.T) {
	c := NewClient(filepath.Join(t.TempDir(), "none"), "")
	for path, h := range map[string]http.Handler{"/prometheus/api/v1/query": c.Prometheus(), "/elastic/_bulk": c.Elastic(), "/alertmanager/api/v2/alerts": c.Alertmanager()} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader("{}")))
		var body any
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", path, w.Code, err, w.Body)
		}
		text := w.Body.String()
		if !strings.Contains(text, "try again") || strings.HasPrefix(path, "/elastic") != strings.Contains(text, "unavailable_exception") ||
			strings.HasPrefix(path, "/prometheus") != strings.Contains(text, `"status":"error"`) {
			t.Errorf("%s: %s", path, text)
		}
	}
}
