// Package console owns the web page: TypeScript under src, built by Vite into
// dist and embedded here. It never holds data of its own and never decides what
// a user may do: everything it shows comes from /api/v1 with the user's session.
//
// Start at Handler for how it is served, at src/app.tsx for the page itself.
package console

import (
	"bytes"
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var embedded embed.FS

// policy lets the page load its own files and talk to its own server, and
// nothing else: what a user wrote can never run here.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the built page: files by their name, index.html for every other
// path, so that links into the page work.
func Handler() http.Handler {
	dist, err := fs.Sub(embedded, "dist")
	if err != nil {
		panic(err) // the directory is named in the source
	}
	return serve(dist)
}

func serve(dist fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "the console is read with GET", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		asset := strings.HasPrefix(name, "assets/")
		body, err := fs.ReadFile(dist, name)
		switch {
		case err == nil && name != "index.html" && !strings.HasPrefix(path.Base(name), "."):
		case asset:
			// A page of an older build asks for a file that is gone.
			http.Error(w, "no such file; reload the page", http.StatusNotFound)
			return
		default:
			name = "index.html"
			if body, err = fs.ReadFile(dist, name); err != nil {
				h.Set("Content-Type", "text/plain; charset=utf-8")
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte("This binary was built without its web page. Run `make build`, which builds it, and start again.\nThe API and the command line work without it.\n"))
				return
			}
		}
		if asset {
			h.Set("Cache-Control", "public, max-age=31536000, immutable") // the name holds a hash
		} else {
			h.Set("Cache-Control", "no-cache")
		}
		if t := mime.TypeByExtension(path.Ext(name)); t != "" {
			h.Set("Content-Type", t)
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
	})
}
