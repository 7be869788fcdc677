package plan

import "strings"

// HostNames that a service of that image is reached by: the image's name without port,
// tag and digest, each slash two underscores, and then each slash a dash.
func HostNames(image string) []string {
	name, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	if host, rest, ok := strings.Cut(name, "/"); ok {
		host, _, _ = strings.Cut(host, ":")
		name = host + "/" + rest
	}
	first := strings.ReplaceAll(name, "/", "__")
	if second := strings.ReplaceAll(name, "/", "-"); second != first {
		return []string{first, second}
	}
	return []string{first}
}
