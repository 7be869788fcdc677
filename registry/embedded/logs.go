package embedded

import (
	"io"
	"log/slog"
	"sync"

	"github.com/sirupsen/logrus"
)

var quietOnce sync.Once

// quiet leads what distribution logs to slog. Distribution writes to the one
// logrus logger of the process, and so do the client libraries of containerd and
// BuildKit, so this holds for them as well: warnings and errors only, nothing on
// standard error. The first registry's logger gets them all.
func quiet(log *slog.Logger) {
	quietOnce.Do(func() {
		logrus.SetOutput(io.Discard)
		logrus.SetLevel(logrus.WarnLevel)
		logrus.AddHook(bridge{log})
	})
}

// bridge passes logrus entries on.
type bridge struct{ log *slog.Logger }

// Levels that are passed on.
func (bridge) Levels() []logrus.Level {
	return []logrus.Level{logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel, logrus.WarnLevel}
}

// Fire passes one entry on. Distribution calls each refused or unknown request
// an error; those are the client's business and only wanted when debugging.
func (b bridge) Fire(e *logrus.Entry) error {
	level := slog.LevelError
	if e.Level == logrus.WarnLevel {
		level = slog.LevelWarn
	}
	if _, ours := e.Data["go.version"]; ours && e.Data["err.code"] != "unknown" {
		level = slog.LevelDebug
	}
	args := []any{"message", e.Message}
	for _, key := range []string{"err.code", "err.message", "err.detail", "error", "vars.name", "vars.reference", "http.request.method"} {
		if v, ok := e.Data[key]; ok {
			args = append(args, key, v)
		}
	}
	b.log.Log(e.Context, level, "library", args...)
	return nil
}
