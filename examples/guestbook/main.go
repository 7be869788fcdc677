// Guestbook is two services in one program: `guestbook store` keeps entries in a file,
// and `guestbook web` shows them and takes new ones.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		slog.Error("guestbook ends", "error", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: guestbook store|web")
	}
	switch args[0] {
	case "store":
		s, err := openStore(env("GUESTBOOK_FILE", "/data/entries.jsonl"))
		if err != nil {
			return err
		}
		defer s.close()
		return serve(s.handler())
	case "web":
		w := &web{store: env("GUESTBOOK_STORE", "http://guestbook-store"), title: env("GUESTBOOK_TITLE", "Guestbook"),
			client: &http.Client{Timeout: 5 * time.Second}}
		return serve(w.handler())
	}
	return fmt.Errorf("unknown service %q; use store or web", args[0])
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// serve until SIGTERM, and then until what is under way has ended.
func serve(h http.Handler) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	srv := &http.Server{Addr: env("GUESTBOOK_LISTEN", ":8080"), Handler: h, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done <- srv.Shutdown(limit)
	}()
	slog.Info("guestbook serves", "address", srv.Addr, "service", os.Args[1])
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}
