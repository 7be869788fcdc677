package plan

import (
	"errors"
	"fmt"
	"strings"
)

// CycleError names the jobs that wait for one another in a circle.
type CycleError struct {
	// Jobs of the circle; each needs the next, and the last needs the first.
	Jobs []string
}

func (e *CycleError) Error() string {
	return fmt.Sprintf("jobs need one another in a circle: %s -> %s",
		strings.Join(e.Jobs, " -> "), e.Jobs[0])
}

// Check says all that is wrong with the plan: version, names, edges, circles.
func (p *Plan) Check() error {
	var errs []error
	if p.Version != Version {
		errs = append(errs, fmt.Errorf("plan version %q is not known; this program reads %q", p.Version, Version))
	}
	names, ids := map[string]bool{}, map[string]string{}
	for i := range p.Jobs {
		j := &p.Jobs[i]
		if names[j.Name] {
			errs = append(errs, fmt.Errorf("job %q is there twice", j.Name))
		}
		names[j.Name] = true
		if !validID(j.ID) {
			errs = append(errs, fmt.Errorf("job %q: id %q is not a DNS label of at most %d characters", j.Name, j.ID, MaxID))
		} else if other, ok := ids[j.ID]; ok {
			errs = append(errs, fmt.Errorf("job %q has the id %q of job %q", j.Name, j.ID, other))
		}
		ids[j.ID] = j.Name
		switch j.When {
		case OnSuccess, OnFailure, Always, Manual, Delayed, Never:
		default:
			errs = append(errs, fmt.Errorf("job %q: when %q is not known", j.Name, j.When))
		}
	}
	for i := range p.Jobs {
		for _, n := range p.Jobs[i].Needs {
			if !names[n.Job] && !n.Optional {
				errs = append(errs, fmt.Errorf("job %q needs %q, which is not in the plan", p.Jobs[i].Name, n.Job))
			}
		}
	}
	if _, err := p.Order(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func validID(id string) bool { return id != "" && len(id) <= MaxID && slug(id) == id }

// Order returns the indexes of the jobs so that each comes after all it needs, and
// otherwise in plan order. The error is a *CycleError.
func (p *Plan) Order() ([]int, error) {
	index := p.index()
	const (
		fresh = iota
		open
		done
	)
	state := make([]int, len(p.Jobs))
	order := make([]int, 0, len(p.Jobs))
	type frame struct{ job, need int }
	for root := range p.Jobs {
		if state[root] != fresh {
			continue
		}
		stack := []frame{{job: root}}
		state[root] = open
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if f.need == len(p.Jobs[f.job].Needs) {
				state[f.job] = done
				order = append(order, f.job)
				stack = stack[:len(stack)-1]
				continue
			}
			next, ok := index[p.Jobs[f.job].Needs[f.need].Job]
			f.need++
			if !ok || state[next] == done {
				continue
			}
			if state[next] == open {
				var circle []string
				for i := len(stack) - 1; i >= 0; i-- {
					circle = append([]string{p.Jobs[stack[i].job].Name}, circle...)
					if stack[i].job == next {
						break
					}
				}
				return nil, &CycleError{Jobs: circle}
			}
			state[next] = open
			stack = append(stack, frame{job: next})
		}
	}
	return order, nil
}

func (p *Plan) index() map[string]int {
	index := make(map[string]int, len(p.Jobs))
	for i := range p.Jobs {
		index[p.Jobs[i].Name] = i
	}
	return index
}

// Edges are the needs of each job by name, without those that follow from others:
// what a graph on a screen should draw.
func (p *Plan) Edges() map[string][]string {
	order, err := p.Order()
	if err != nil {
		return nil
	}
	index := p.index()
	above := make([]map[int]bool, len(p.Jobs))
	edges := make(map[string][]string, len(p.Jobs))
	for _, i := range order {
		above[i] = map[int]bool{}
		indirect := map[int]bool{}
		var direct []int
		for _, n := range p.Jobs[i].Needs {
			d, ok := index[n.Job]
			if !ok {
				continue
			}
			direct = append(direct, d)
			above[i][d] = true
			for a := range above[d] {
				above[i][a] = true
				indirect[a] = true
			}
		}
		for _, d := range direct {
			if !indirect[d] {
				edges[p.Jobs[i].Name] = append(edges[p.Jobs[i].Name], p.Jobs[d].Name)
			}
		}
	}
	return edges
}
