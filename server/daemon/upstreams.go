package daemon

import (
	"maps"
	"slices"

	"slipway.dev/registry/embedded"
	"slipway.dev/server/config"
)

// upstreams are the public registries, asked where the configuration says, and those
// that it adds.
func upstreams(conf config.Config) []embedded.UpstreamRegistry {
	all := embedded.DefaultUpstreams()
	for _, host := range slices.Sorted(maps.Keys(conf.Upstreams)) {
		i := slices.IndexFunc(all, func(u embedded.UpstreamRegistry) bool { return u.Host == host })
		if i < 0 {
			i = len(all)
			all = append(all, embedded.UpstreamRegistry{Host: host})
		}
		all[i].URL = conf.Upstreams[host]
	}
	for i := range all {
		all[i].AllowPrivate = conf.PrivateSources
	}
	return all
}

// mirrored are the hosts whose images nodes and builds take through the front door.
func mirrored(conf config.Config) []string {
	var hosts []string
	for _, u := range upstreams(conf) {
		hosts = append(hosts, u.Host)
	}
	return hosts
}
