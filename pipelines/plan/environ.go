package plan

import (
	"slices"
	"strings"
)

// MaxValue bounds one expanded variable, against values that double one another.
const MaxValue = 64 << 10

// maxNesting of references from one value into the next.
const maxNesting = 16

// Environ of one attempt of a job, each name once, references expanded. Later ones
// override earlier ones, as GitLab has it: predefined, those of the attempt (its
// number, its directory), the pipeline's, the job's, reported by jobs that it needs
// (Reports.Dotenv), secrets, given by hand.
func Environ(p *Plan, j *Job, attempt, reported, secrets []Variable) []Variable {
	return EnvironAt("", p, j, attempt, reported, secrets)
}

// EnvironAt is Environ of an attempt that has the files of its File variables in that
// directory: what refers to one gets the name of the file, as the script does.
func EnvironAt(files string, p *Plan, j *Job, attempt, reported, secrets []Variable) []Variable {
	var all []Variable
	own := p.Variables
	if len(j.Without) > 0 {
		own = slices.DeleteFunc(slices.Clone(own), func(v Variable) bool { return slices.Contains(j.Without, v.Name) })
	}
	for _, list := range [][]Variable{p.Predefined, j.Predefined, attempt, own, j.Variables, reported, secrets, p.Given} {
		all = append(all, list...)
	}
	return resolve(all, files)
}

// Resolve keeps the last of each name, in the place of the first, and expands the
// references between them. A name that is not there expands to nothing, and one
// that refers to itself stays as written.
func Resolve(vars []Variable) []Variable { return resolve(vars, "") }

func resolve(vars []Variable, files string) []Variable {
	place := make(map[string]int, len(vars))
	var out []Variable
	for _, v := range vars {
		if i, ok := place[v.Name]; ok {
			out[i] = v
			continue
		}
		place[v.Name] = len(out)
		out = append(out, v)
	}
	r := resolver{files: files, vars: out, place: place, value: make([]string, len(out)), state: make([]int, len(out))}
	for i := range out {
		r.resolve(i, 0)
	}
	for i := range out {
		out[i].Value = r.value[i]
	}
	return out
}

type resolver struct {
	files string // the directory of File variables; empty: not known
	vars  []Variable
	place map[string]int
	value []string
	state []int // 0 fresh, 1 open, 2 done
}

func (r *resolver) resolve(i, depth int) {
	if r.state[i] != 0 {
		return
	}
	if r.vars[i].Raw {
		r.value[i], r.state[i] = r.vars[i].Value, 2
		return
	}
	r.state[i] = 1
	v := Expand(r.vars[i].Value, func(name string) (string, bool) {
		k, ok := r.place[name]
		if !ok {
			return "", true
		}
		if r.vars[k].File && r.files != "" {
			return r.files + "/" + name, true
		}
		if r.state[k] == 0 && depth < maxNesting {
			r.resolve(k, depth+1)
		}
		return r.value[k], r.state[k] == 2
	})
	r.value[i], r.state[i] = v, 2
}

// Expand replaces $NAME and ${NAME} in value by what lookup says, and $$ by $. Where
// lookup says false, the reference stays as it is. Anything else after a $ is text.
// What lookup returns is not expanded again. The result is cut at MaxValue.
func Expand(value string, lookup func(name string) (string, bool)) string {
	if !strings.Contains(value, "$") {
		return clip(value)
	}
	var b strings.Builder
	for i := 0; i < len(value) && b.Len() <= MaxValue; {
		if value[i] != '$' || i+1 == len(value) {
			b.WriteByte(value[i])
			i++
			continue
		}
		if value[i+1] == '$' {
			b.WriteByte('$')
			i += 2
			continue
		}
		name, end := reference(value, i)
		if name == "" {
			b.WriteByte('$')
			i++
			continue
		}
		if v, ok := lookup(name); ok {
			b.WriteString(v)
		} else {
			b.WriteString(value[i:end])
		}
		i = end
	}
	return clip(b.String())
}

func clip(s string) string {
	if len(s) > MaxValue {
		return strings.ToValidUTF8(s[:MaxValue], "")
	}
	return s
}

// reference reads the one that starts at value[i] == '$': its name and its end.
func reference(value string, i int) (string, int) {
	start := i + 1
	braced := value[start] == '{'
	if braced {
		start++
	}
	end := start
	for end < len(value) && nameByte(value[end], end == start) {
		end++
	}
	if end == start {
		return "", i
	}
	if !braced {
		return value[start:end], end
	}
	if end < len(value) && value[end] == '}' {
		return value[start:end], end + 1
	}
	return "", i
}

func nameByte(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}

// ValidName says whether name can be a variable of the environment.
func ValidName(name string) bool {
	for i := 0; i < len(name); i++ {
		if !nameByte(name[i], i == 0) {
			return false
		}
	}
	return name != ""
}
