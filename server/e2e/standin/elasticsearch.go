package main

import (
	"bufio"
	"compress/gzip"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// search is an Elasticsearch with one node, whose documents are lines of a file.
type search struct {
	mu        sync.Mutex
	dir       string
	passwords map[string]string // in a file too, but for elastic's
	templates map[string]bool
	ids       map[string]bool
	documents *os.File
}

type settings struct {
	Hosts     string `json:"network.host"`
	Port      int    `json:"http.port"`
	Data      string `json:"path.data"`
	Mmap      *bool  `json:"node.store.allow_mmap"`
	Security  bool   `json:"xpack.security.enabled"`
	TLS       bool   `json:"xpack.security.http.ssl.enabled"`
	Cert      string `json:"xpack.security.http.ssl.certificate"`
	Key       string `json:"xpack.security.http.ssl.key"`
	Transport string `json:"xpack.security.transport.ssl.certificate"`
}

func elasticsearch(conf string) error {
	var c settings
	if err := yaml.Unmarshal([]byte(conf), &c); err != nil {
		return err
	}
	if !c.Security || !c.TLS || c.Transport == "" || c.Mmap == nil || *c.Mmap || os.Getuid() == 0 {
		return fmt.Errorf("bootstrap checks failed: %+v as user %d", c, os.Getuid())
	}
	s := &search{dir: c.Data, passwords: map[string]string{}, templates: map[string]bool{}, ids: map[string]bool{}}
	if err := s.load(); err != nil {
		return err
	}
	const config = "/usr/share/elasticsearch/config/"
	return http.ListenAndServeTLS(fmt.Sprintf("%s:%d", c.Hosts, c.Port), config+c.Cert, config+c.Key, s)
}

func (s *search) users() string { return filepath.Join(s.dir, "users.json") }

func (s *search) load() (err error) {
	if b, err := os.ReadFile(s.users()); err == nil {
		if err := json.Unmarshal(b, &s.passwords); err != nil {
			return err
		}
	}
	if _, known := s.passwords["elastic"]; !known {
		s.passwords["elastic"] = os.Getenv("ELASTIC_PASSWORD")
	}
	if s.documents, err = os.OpenFile(filepath.Join(s.dir, "documents"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return err
	}
	lines := bufio.NewScanner(s.documents)
	for lines.Scan() {
		id, _, _ := strings.Cut(lines.Text(), " ")
		s.ids[id] = true
	}
	return s.save()
}

func (s *search) save() error {
	b, err := json.Marshal(s.passwords)
	if err != nil {
		return err
	}
	return os.WriteFile(s.users(), b, 0o600)
}

func (s *search) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	user, password, _ := r.BasicAuth()
	if want, known := s.passwords[user]; !known || password != want {
		refuse(w, http.StatusUnauthorized, "security_exception")
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		body = z
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	super := user == "elastic"
	switch {
	case r.URL.Path == "/":
		fmt.Fprint(w, `{"version":{"number":"9.1.0"},"tagline":"You Know, for Search"}`)
	case path[0] == "_bulk" && user == "slipway_writer":
		s.bulk(w, body)
	case path[len(path)-1] == "_search" && user == "slipway_reader":
		s.find(w, body)
	case path[0] == "_security" && len(path) > 1 && path[1] == "_authenticate":
		fmt.Fprintf(w, `{"username":%q}`, user)
	case !super:
		refuse(w, http.StatusForbidden, "security_exception")
	case r.URL.Path == "/_cluster/health":
		fmt.Fprint(w, `{"status":"green"}`)
	case path[0] == "_security" && r.Method == http.MethodPut:
		s.security(w, path[1:], body)
	case r.Method == http.MethodPut:
		s.templates[path[0]] = true
		fmt.Fprint(w, `{"acknowledged":true}`)
	default:
		refuse(w, http.StatusBadRequest, r.Method+" "+r.URL.Path+" is not known here")
	}
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"type":%q},"status":%d}`, why, status)
}

func (s *search) security(w http.ResponseWriter, path []string, body io.Reader) {
	var v struct {
		Password string
		Indices  []struct{ Names, Privileges []string }
	}
	if err := json.NewDecoder(body).Decode(&v); err != nil || len(path) < 2 {
		refuse(w, http.StatusBadRequest, fmt.Sprint(err))
		return
	}
	if path[0] == "user" {
		s.passwords[path[1]] = v.Password
		if err := s.save(); err != nil {
			refuse(w, http.StatusInternalServerError, err.Error())
			return
		}
	}
	fmt.Fprint(w, `{}`)
}

// find answers a search for the documents of a namespace that have a word, the newest first.
func (s *search) find(w http.ResponseWriter, body io.Reader) {
	var q struct {
		Size  int
		Query struct {
			Bool struct {
				Filter []struct {
					Term        map[string]struct{ Value string }
					QueryString struct{ Query string } `json:"query_string"`
				}
			}
		}
	}
	if err := json.NewDecoder(body).Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	namespace, word := "", ""
	for _, f := range q.Query.Bool.Filter {
		namespace += f.Term["namespace"].Value
		word += f.QueryString.Query
	}
	// Of a query string, the words between quotes, or it as it is without what escapes it.
	if _, rest, ok := strings.Cut(word, `"`); ok {
		word, _, _ = strings.Cut(rest, `"`)
	}
	word = strings.ReplaceAll(word, `\`, "")
	file, err := os.Open(s.documents.Name())
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	defer file.Close()
	hits := []string{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		_, rest, _ := strings.Cut(lines.Text(), " ")
		_, source, _ := strings.Cut(rest, " ")
		var doc struct{ Namespace, Message string }
		if json.Unmarshal([]byte(source), &doc) != nil || namespace == "" || doc.Namespace != namespace || !strings.Contains(doc.Message, word) {
			continue
		}
		hits = append([]string{`{"_source":` + source + `}`}, hits...)
	}
	fmt.Fprintf(w, `{"hits":{"hits":[%s]}}`, strings.Join(hits[:min(len(hits), q.Size)], ","))
}

// bulk takes create alone, for data streams that have a template.
func (s *search) bulk(w http.ResponseWriter, body io.Reader) {
	var items []string
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var action map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &action); err != nil || !lines.Scan() {
			refuse(w, http.StatusBadRequest, "no pair of lines")
			return
		}
		meta, ok := action["create"]
		if !ok || !strings.HasPrefix(meta.Index, "slipway-logs-") || !s.templates["_index_template"] {
			refuse(w, http.StatusBadRequest, "data streams take create alone, and want a template")
			return
		}
		if meta.ID == "" {
			meta.ID = rand.Text() // Logstash leaves that to it
		}
		if s.ids[meta.ID] {
			items = append(items, `{"create":{"status":409}}`)
			continue
		}
		s.ids[meta.ID] = true
		fmt.Fprintf(s.documents, "%s %s %s\n", meta.ID, meta.Index, lines.Bytes())
		// What is printed is a line of this pod, and comes here again: those of the stack's own
		// namespace would go round for ever.
		if !strings.HasSuffix(meta.Index, "-slipway-logs") {
			fmt.Fprintf(os.Stdout, "document %s %s\n", meta.Index, lines.Bytes())
		}
		items = append(items, `{"create":{"status":201}}`)
	}
	fmt.Fprintf(w, `{"errors":false,"items":[%s]}`, strings.Join(items, ","))
}
