package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Upstreams maps a registry's host, as image names have it, to the address at which it
// is asked:
//
//	upstreams:
//	  docker.io: https://mirror.example/docker-hub
//	  registry.example:5000: http://registry.example:5000
//
// The flag has the same as docker.io=https://mirror.example/docker-hub,HOST=URL.
type Upstreams map[string]string

var _ pflag.Value = (*Upstreams)(nil)

// String is what Set reads.
func (u Upstreams) String() string {
	var pairs []string
	for _, host := range slices.Sorted(maps.Keys(u)) {
		pairs = append(pairs, host+"="+u[host])
	}
	return strings.Join(pairs, ",")
}

// Set replaces all.
func (u *Upstreams) Set(text string) error {
	all := Upstreams{}
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		host, address, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q: want HOST=URL", pair)
		}
		if _, twice := all[host]; twice {
			return fmt.Errorf("%s is there twice", host)
		}
		all[host] = address
	}
	*u = all
	return nil
}

// Type is what help shows for the flag's value.
func (u Upstreams) Type() string { return "HOST=URL,..." }

func (u Upstreams) check() error {
	for host, address := range u {
		if name, err := url.Parse("//" + host); err != nil || name.Host != host || name.User != nil || host != strings.ToLower(host) || !strings.ContainsAny(host, ".:") {
			return fmt.Errorf("upstreams %q: want a registry's host as image names have it, as docker.io or registry.example:5000", host)
		}
		a, err := url.Parse(address)
		if err != nil || a.Host == "" || (a.Scheme != "https" && a.Scheme != "http") || a.User != nil || a.RawQuery != "" || a.Fragment != "" {
			return fmt.Errorf("upstreams %s: %q is not an address as https://mirror.example or http://mirror.example:5000/path, without credentials", host, address)
		}
	}
	return nil
}
