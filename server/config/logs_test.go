package config

import (
	"strings"
	"testing"
)

func TestLogsThatDoNotFit(t *testing.T) {
	for want, change := range map[string]func(*Logs){
		"":                               func(*Logs) {},
		"want store or elasticsearch":    func(l *Logs) { l.Read = "fluentd" },
		"logs.elasticsearch names none":  func(l *Logs) { l.Read = "elasticsearch" },
		"lines go by TLS only with logs": func(l *Logs) { l.FluentServerName = "f" },
		"without credentials":            func(l *Logs) { l.Elasticsearch = "https://u:p@es:9200" },
		"at least":                       func(l *Logs) { l.Buffer = 1 },
	} {
		l := Default().Logs
		change(&l)
		err := l.check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	l := Default().Logs
	l.Elasticsearch, l.Read = "https://es:9200", "elasticsearch"
	if err := l.check(); err != nil {
		t.Error(err)
	}
}
