package logs

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Source is files of a node that are no container's: a program's own log, or the
// apiserver's audit log.
type Source struct {
	// Pattern of the files' paths.
	Pattern string
	// Fields that every line has; those without a container get the file's name as one.
	Fields map[string]string
	// Audit lines are the JSON of audit events; others are text.
	Audit bool
}

// parseText reads a line of a program's log. Its time is the one it begins with, or now.
func parseText(b []byte) (criLine, error) {
	l := criLine{at: time.Now().UnixNano(), stream: "stderr", text: b}
	s := string(b[:min(len(b), 64)])
	if rest, ok := strings.CutPrefix(s, "time="); ok {
		// slog's and logrus' own form.
		s = strings.Trim(rest, `"`)
	}
	end := strings.IndexAny(s, " \t\"")
	if end < 0 {
		end = len(s)
	}
	if t, err := time.Parse(time.RFC3339Nano, s[:end]); err == nil {
		l.at = t.UnixNano()
	}
	return l, nil
}

// auditEvent is what of an audit event is kept.
type auditEvent struct {
	AuditID                  string `json:"auditID"`
	Stage                    string `json:"stage"`
	Verb                     string `json:"verb"`
	RequestURI               string `json:"requestURI"`
	StageTimestamp           time.Time
	RequestReceivedTimestamp time.Time
	SourceIPs                []string `json:"sourceIPs"`
	UserAgent                string   `json:"userAgent"`
	User                     struct {
		Username string
		Groups   []string
	}
	ImpersonatedUser *struct{ Username string }
	ObjectRef        *struct{ Resource, Subresource, Namespace, Name, APIGroup string }
	ResponseStatus   *struct{ Code int }
}

// parseAudit reads an audit event: the line says who did what, the fields hold the rest.
func parseAudit(b []byte) (criLine, error) {
	var e auditEvent
	if err := json.Unmarshal(b, &e); err != nil || e.AuditID == "" {
		return criLine{}, fmt.Errorf("not an audit event: %.60q", b)
	}
	fields := map[string]string{
		"audit.id": e.AuditID, "audit.verb": e.Verb, "audit.user": e.User.Username, "audit.uri": cut(e.RequestURI, 1000),
		"audit.agent": cut(e.UserAgent, 200), "audit.from": strings.Join(e.SourceIPs, ","), "audit.groups": strings.Join(e.User.Groups, ","),
	}
	who, what := e.User.Username, cut(e.RequestURI, 200)
	if e.ImpersonatedUser != nil {
		fields["audit.as"] = e.ImpersonatedUser.Username
		who += " as " + e.ImpersonatedUser.Username
	}
	if o := e.ObjectRef; o != nil {
		fields["audit.resource"], fields["audit.name"], fields["audit.namespace"], fields["audit.group"] = o.Resource, o.Name, o.Namespace, o.APIGroup
		what = strings.Trim(strings.Join([]string{o.Resource, o.Subresource}, "/"), "/") + " " + strings.Trim(o.Namespace+"/"+o.Name, "/")
	}
	code := ""
	if e.ResponseStatus != nil {
		code = fmt.Sprint(e.ResponseStatus.Code)
		fields["audit.code"] = code
	}
	at := e.StageTimestamp
	if at.IsZero() {
		at = e.RequestReceivedTimestamp
	}
	text := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", who, e.Verb, what, code))
	return criLine{at: at.UnixNano(), stream: "audit", text: []byte(text), fields: fields}, nil
}

func cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// fieldsOf are the fields of the lines of one of its files.
func (s Source) fieldsOf(path string) map[string]string {
	fields := map[string]string{}
	for k, v := range s.Fields {
		fields[k] = v
	}
	if fields["container"] == "" {
		fields["container"] = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	return fields
}
