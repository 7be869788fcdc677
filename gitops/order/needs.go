// Package order owns when a release of an application may begin: what other
// applications it needs first, and in which windows of time it begins by itself. It
// only works things out of what it is given; it reads no cluster and waits for nothing.
//
// Start at Cycle and at Parse; Check is for those who take an Application in.
package order

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

// maxGraph bounds how many applications a search for cycles looks at.
const maxGraph = 20_000

// Cycle returns the names of a cycle of needs that name is part of or leads into,
// beginning and ending with the same one; nil where there is none. needs gives what an
// application needs, and nothing for one that is not there.
func Cycle(name string, needs func(string) ([]string, error)) ([]string, error) {
	const (
		onPath = 1
		done   = 2
	)
	state := map[string]int{}
	var path []string
	var visit func(string) ([]string, error)
	visit = func(n string) ([]string, error) {
		switch state[n] {
		case done:
			return nil, nil
		case onPath:
			return append(slices.Clone(path[slices.Index(path, n):]), n), nil
		}
		if len(state) >= maxGraph {
			return nil, fmt.Errorf("applications needed by %s: more than %d", name, maxGraph)
		}
		state[n] = onPath
		path = append(path, n)
		next, err := needs(n)
		if err != nil {
			return nil, err
		}
		for _, m := range next {
			if cycle, err := visit(m); cycle != nil || err != nil {
				return cycle, err
			}
		}
		path = path[:len(path)-1]
		state[n] = done
		return nil, nil
	}
	return visit(name)
}

// CycleError says which applications need one another.
func CycleError(cycle []string) error {
	return fmt.Errorf("needs form a cycle: %s; take one of them out of spec.needs", strings.Join(cycle, " -> "))
}

// Check refuses what can never begin: a cycle, or windows that mean nothing. needs
// gives the needs of the other applications of the namespace.
func Check(name string, l v1alpha1.Lifecycle, needs func(string) ([]string, error)) error {
	if _, err := Parse(l.Windows); err != nil {
		return err
	}
	if len(l.Needs) == 0 {
		return nil
	}
	cycle, err := Cycle(name, func(n string) ([]string, error) {
		if n == name {
			return l.Needs, nil
		}
		return needs(n)
	})
	if err == nil && cycle != nil {
		err = CycleError(cycle)
	}
	return err
}

// Sort puts each application after those of the list that it needs, and keeps the order
// otherwise. Members of a cycle stay where they are.
func Sort(apps []v1alpha1.Application) {
	at := map[string]int{}
	for i := range apps {
		at[apps[i].Name] = i
	}
	depth := map[string]int{}
	var measure func(string, int) int
	measure = func(n string, left int) int {
		if d, ok := depth[n]; ok || left == 0 {
			return d
		}
		depth[n] = 0 // what comes back here is a cycle
		d := 0
		for _, m := range apps[at[n]].Spec.Needs {
			if _, here := at[m]; here {
				d = max(d, measure(m, left-1)+1)
			}
		}
		depth[n] = d
		return d
	}
	for i := range apps {
		measure(apps[i].Name, len(apps)+1)
	}
	sort.SliceStable(apps, func(i, j int) bool { return depth[apps[i].Name] < depth[apps[j].Name] })
}
