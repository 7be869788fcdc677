package etcd

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapCore sends what etcd logs to a slog handler.
type zapCore struct {
	handler slog.Handler
}

func zapLogger(log *slog.Logger) *zap.Logger {
	return zap.New(zapCore{log.Handler().WithAttrs([]slog.Attr{slog.String("component", "etcd")})})
}

var zapLevels = map[zapcore.Level]slog.Level{
	zapcore.DebugLevel: slog.LevelDebug, zapcore.InfoLevel: slog.LevelInfo, zapcore.WarnLevel: slog.LevelWarn,
}

func slogLevel(l zapcore.Level) slog.Level {
	if level, ok := zapLevels[l]; ok {
		return level
	}
	return slog.LevelError
}

// Enabled implements zapcore.LevelEnabler.
func (c zapCore) Enabled(l zapcore.Level) bool {
	return l > zapcore.DebugLevel && c.handler.Enabled(context.Background(), slogLevel(l))
}

// With implements zapcore.Core.
func (c zapCore) With(fields []zapcore.Field) zapcore.Core {
	return zapCore{c.handler.WithAttrs(attrs(fields))}
}

// Check implements zapcore.Core.
func (c zapCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core.
func (c zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, slogLevel(e.Level), e.Message, 0)
	r.AddAttrs(attrs(fields)...)
	return c.handler.Handle(context.Background(), r)
}

// Sync implements zapcore.Core.
func (c zapCore) Sync() error { return nil }

func attrs(fields []zapcore.Field) []slog.Attr {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	var out []slog.Attr
	for k, v := range enc.Fields {
		out = append(out, slog.Any(k, v))
	}
	return out
}

var _ zapcore.Core = zapCore{}
