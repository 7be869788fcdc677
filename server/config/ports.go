package config

import (
	"fmt"
	"net"
	"strconv"
)

// address is one that the server listens at.
type address struct{ setting, host, port string }

// checkPorts refuses ports that there are not, and two listeners in one place.
func (c *Config) checkPorts() error {
	all := []address{
		{"apiserverPort", "", strconv.Itoa(c.APIServerPort)},
		{"etcdPort", "127.0.0.1", strconv.Itoa(c.EtcdPort)},
		{"etcdPort + 1, for its peers", "127.0.0.1", strconv.Itoa(c.EtcdPort + 1)},
	}
	for setting, text := range map[string]string{"http": c.HTTP, "https": c.HTTPS} {
		host, port, err := net.SplitHostPort(text)
		if err != nil {
			return fmt.Errorf("%s %q: %w", setting, text, err)
		}
		all = append(all, address{setting, host, port})
	}
	for i, a := range all {
		if n, err := strconv.Atoi(a.port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%s: port %q: want a number from 1 to 65535", a.setting, a.port)
		}
		for _, b := range all[:i] {
			if a.port == b.port && (a.host == b.host || a.everywhere() || b.everywhere()) {
				return fmt.Errorf("%s and %s: both at port %s; give one of them another", b.setting, a.setting, a.port)
			}
		}
	}
	return nil
}

func (a address) everywhere() bool {
	ip := net.ParseIP(a.host)
	return a.host == "" || ip != nil && ip.IsUnspecified()
}
