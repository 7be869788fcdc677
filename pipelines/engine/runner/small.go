package main

import (
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// nop takes the place of a sidecar's image to end it.
func nop(args []string) int {
	if len(args) > 0 && args[0] == "tekton_run_indefinitely" {
		ch := make(chan os.Signal, 1)
		signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
		<-ch
	}
	return 0
}

// workingDirInit makes the working directories below /workspace that steps ask for.
func workingDirInit(dirs []string) int {
	for _, d := range dirs {
		p := filepath.Clean(d)
		if filepath.IsAbs(p) && !strings.HasPrefix(p, "/workspace/") {
			continue
		}
		if err := os.MkdirAll(p, 0o755); err != nil {
			log.Printf("working directory: %v", err)
			return 1
		}
	}
	return 0
}
