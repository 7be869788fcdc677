package plan

// EnvironmentName of the job with its references expanded; empty where it has none.
// Secrets are not known here: a name is shown to everyone.
func (p *Plan) EnvironmentName(j *Job) string {
	if j.Environment == nil {
		return ""
	}
	return ExpandIn(j.Environment.Name, Environ(p, j, nil, nil, nil))
}

// ExpandIn expands the references of s by the variables of env, each name once. One
// that is not there expands to nothing.
func ExpandIn(s string, env []Variable) string {
	return Expand(s, func(name string) (string, bool) {
		for i := range env {
			if env[i].Name == name {
				return env[i].Value, true
			}
		}
		return "", true
	})
}
