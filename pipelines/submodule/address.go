package submodule

import (
	"net/url"
	"path"
	"strings"
)

// absolute address of a submodule, as git finds it: one that begins with ./ or ../ is
// relative to the address of the repository that it is in.
func absolute(base, address string) string {
	if !strings.HasPrefix(address, "./") && !strings.HasPrefix(address, "../") {
		return address
	}
	// What is before the path stays: scheme and host, or host: of scp's form.
	front, dir := "", strings.TrimSuffix(base, "/")
	switch i := strings.Index(dir, "://"); {
	case i >= 0:
		end := strings.IndexByte(dir[i+3:], '/')
		if end < 0 {
			return ""
		}
		front, dir = dir[:i+3+end], dir[i+3+end:]
	case strings.Contains(dir, ":") && !strings.Contains(dir[:strings.IndexByte(dir, ':')], "/"):
		i := strings.IndexByte(dir, ':')
		front, dir = dir[:i+1], "/"+strings.TrimPrefix(dir[i+1:], "/")
	}
	for rest := address; ; {
		if after, ok := strings.CutPrefix(rest, "./"); ok {
			rest = after
			continue
		}
		after, ok := strings.CutPrefix(rest, "../")
		if !ok {
			dir = path.Join(dir, rest)
			break
		}
		if dir == "/" || dir == "" || dir == "." {
			return "" // above the host
		}
		rest, dir = after, path.Dir(dir)
	}
	if strings.HasSuffix(front, ":") && !strings.Contains(front, "://") {
		dir = strings.TrimPrefix(dir, "/")
	}
	return front + dir
}

// place is an address without what does not tell repositories apart: scheme, user,
// usual port, `.git`. Empty: it is no address of a repository that is served.
func place(address string) string {
	if !strings.Contains(address, "://") {
		host, dir, ok := strings.Cut(address, ":")
		if !ok || strings.ContainsAny(host, "/ ") || dir == "" || strings.HasPrefix(dir, ":") || strings.HasPrefix(address, "-") {
			return ""
		}
		address = "ssh://" + host + "/" + strings.TrimPrefix(dir, "/")
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	usual := map[string]string{"http": "80", "https": "443", "ssh": "22", "git": "9418"}
	port, known := usual[u.Scheme]
	if !known {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if p := u.Port(); p != "" && p != port {
		host += ":" + p
	}
	dir := strings.TrimSuffix(strings.Trim(path.Clean("/"+u.Path), "/"), ".git")
	if dir == "" {
		return ""
	}
	return host + "/" + dir
}

// shown is an address for people, without credentials.
func shown(address string) string {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		u.User = nil
		return u.String()
	}
	return address
}
