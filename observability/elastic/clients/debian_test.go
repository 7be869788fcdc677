package clients

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"slipway.dev/observability/logs"
)

// debian is where `make clients` unpacks what Debian has.
func debian(t *testing.T, file string) (dir, path string) {
	t.Helper()
	dir, err := filepath.Abs("../../../build/tools/shippers")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, file)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not there; `make clients` fetches it, as `make test` does", path)
	}
	return dir, path
}

func TestPythonClient(t *testing.T) {
	s := serve(t)
	_, modules := debian(t, "usr/lib/python3/dist-packages")
	cmd := exec.CommandContext(t.Context(), "python3", "-W", "ignore", "python/elastic.py", s.URL+"/elastic")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+modules, "PYTHONDONTWRITEBYTECODE=1", "PYTHONIOENCODING=utf-8")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	want := `{"version":"8.19.0","ping":true,"bulk":[1000,[]],"parallel":1000,"total":225,"first":["row 897 ünï","row 893 ünï"],` +
		`"hosts":[{"doc_count":225,"key":"h1","top":{"value":897}}],"msearch":[250,1000],"get":"row 7 ünï","caps":["keyword"],"mapping":"keyword",` +
		`"policy":"python","cat":["2000"],"health":"green","conflict":"version_conflict_engine_exception","refused":[400,"parsing_exception"]}`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRsyslog has rsyslog follow a file and write its lines, each once, to a store that
// goes away three times.
func TestRsyslog(t *testing.T) {
	s := serve(t)
	root, program := debian(t, "usr/sbin/rsyslogd")
	libraries := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	if found, _ := filepath.Glob(filepath.Join(root, "usr/lib/*/rsyslog")); len(found) == 1 {
		libraries = filepath.Dir(found[0])
	}
	var refused, asked atomic.Int64
	behind := s.Config.Handler
	var bulks bulkLog
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "x" || password != "token" {
			t.Errorf("%s: no credentials", r.URL.Path)
		}
		if strings.HasSuffix(r.URL.Path, "/_bulk") {
			if asked.Add(1) <= 3 {
				refused.Add(1)
				panic(http.ErrAbortHandler) // the connection ends without an answer
			}
			tapped(t, &bulks, behind).ServeHTTP(w, r)
			return
		}
		behind.ServeHTTP(w, r)
	})
	dir := t.TempDir()
	const n = 2000
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "line %d of rsyslog \"quoted\" \\ ünï\n", i)
	}
	file, conf := filepath.Join(dir, "app.log"), filepath.Join(dir, "rsyslog.conf")
	config := fmt.Sprintf(`global(workDirectory=%q)
module(load="imfile" mode="inotify")
module(load="omelasticsearch")
template(name="doc" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timegenerated" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
}
template(name="id" type="string" string="app.%%$!metadata!fileoffset%%")
input(type="imfile" file=%q tag="app" addMetadata="on")
action(type="omelasticsearch" server=%q uid="x" pwd="token" template="doc" searchIndex="logs-rsyslog-default" searchType=""
  bulkmode="on" writeoperation="create" bulkid="id" dynbulkid="on" errorFile=%q action.resumeRetryCount="-1" action.resumeInterval="1"
  queue.type="linkedList" queue.dequeueBatchSize="200")
`, dir, file, s.URL+"/elastic", filepath.Join(dir, "errors"))
	for path, text := range map[string]string{file: lines.String(), conf: config} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"), "-M", filepath.Join(libraries, "rsyslog"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(dir, "errors"))
			t.Logf("rsyslog: %s\n%.2000s", said.String(), b)
		}
	})
	seen := map[string]int{}
	for end := time.Now().Add(2 * time.Minute); len(seen) < n && !bulks.idle() && time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		s.store.Flush()
		seen = map[string]int{}
		err := s.store.Select(t.Context(), logs.Selection{Namespaces: []string{"default"}, Text: `_index:="logs-rsyslog-default" host:* | stats by (_msg) count() n`}, func(fields []logs.Field) {
			for _, f := range fields {
				if f.Name == "_msg" {
					seen[strings.Clone(f.Value)]++
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// This rsyslog may not send the first line of a batch again that was refused: one in a
	// hundred times it is in no request that was answered.
	lost := 0
	for i := range n {
		line, word := fmt.Sprintf(`line %d of rsyslog "quoted" \ ünï`, i), fmt.Sprintf("line %d of", i)
		if seen[line] == 0 && !bulks.had(word) {
			t.Logf("%s was not sent again", line)
			lost++
		} else if seen[line] != 1 {
			t.Errorf("%s is there %d times; %s", line, seen[line], bulks.of(word))
		}
	}
	if lost > 3 || len(seen) != n-lost || refused.Load() != 3 {
		t.Errorf("%d of %d lines, refused %d times, %d not sent again", len(seen), n, refused.Load(), lost)
	}
	total := 0
	if err := s.store.Select(t.Context(), logs.Selection{Namespaces: []string{"default"}, Text: `_index:="logs-rsyslog-default"`}, func([]logs.Field) { total++ }); err != nil || total != n-lost {
		t.Errorf("%d lines in all, want %d: %v", total, n-lost, err)
	}
}

// bulkLog has what was sent and what was answered: for who finds a line missing.
type bulkLog struct {
	mu    sync.Mutex
	pairs [][2]string
	last  time.Time
}

// had says whether a request that was answered had a text.
func (b *bulkLog) had(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.pairs, func(p [2]string) bool { return strings.Contains(p[0], text) })
}

// idle says whether there was none for a while.
func (b *bulkLog) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pairs) > 0 && time.Since(b.last) > 10*time.Second
}

// of says which requests had a text, and what was answered to them.
func (b *bulkLog) of(text string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := fmt.Sprintf("of %d requests:", len(b.pairs))
	for i, p := range b.pairs {
		if strings.Contains(p[0], text) {
			said += fmt.Sprintf(" %d had it, with %d conflicts and errors %v in its answer;", i, strings.Count(p[1], "version_conflict"), strings.Contains(p[1], `"errors":true`))
		}
	}
	return said
}

// tapped notes what goes to a handler and comes from it.
func tapped(t *testing.T, to *bulkLog, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("a bulk request that ends too early: %v", err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var answer strings.Builder
		h.ServeHTTP(tap{w, &answer}, r)
		to.mu.Lock()
		defer to.mu.Unlock()
		to.last = time.Now()
		to.pairs = append(to.pairs, [2]string{string(body), answer.String()})
	})
}

type tap struct {
	http.ResponseWriter
	also io.Writer
}

func (t tap) Write(p []byte) (int, error) {
	_, _ = t.also.Write(p)
	return t.ResponseWriter.Write(p)
}
