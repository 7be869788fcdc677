package plan

import (
	"reflect"
	"testing"
)

func TestHostNames(t *testing.T) {
	for image, want := range map[string][]string{
		"redis": {"redis"}, "redis:7": {"redis"}, "tutum/wordpress": {"tutum__wordpress", "tutum-wordpress"},
		"tutum/wordpress:latest":                    {"tutum__wordpress", "tutum-wordpress"},
		"registry.example.org:5000/a/b:1@sha256:00": {"registry.example.org__a__b", "registry.example.org-a-b"},
		"registry.example.org:5000/a/b":             {"registry.example.org__a__b", "registry.example.org-a-b"},
		"localhost:5000/a":                          {"localhost__a", "localhost-a"},
	} {
		if got := HostNames(image); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", image, got, want)
		}
	}
}
