package plan

// Variable of the environment. References in a value that is not Raw are expanded
// late, by Environ, when secrets and the attempt are known.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Raw   bool   `json:"raw,omitempty"`
	// File: the attempt gets the name of a file that holds the value.
	File bool `json:"file,omitempty"`
}

// SecretRef is a variable whose value is a key of a Secret in the run's namespace.
type SecretRef struct {
	Variable string `json:"variable"`
	Secret   string `json:"secret"`
	Key      string `json:"key"`
	// Raw and File as those of a Variable.
	Raw  bool `json:"raw,omitempty"`
	File bool `json:"file,omitempty"`
	// Visible in logs: not masked.
	Visible bool `json:"visible,omitempty"`
	// Environment is a pattern of names ("production", "review/*"); empty for all jobs.
	Environment string `json:"environment,omitempty"`
}

// IDToken is an OpenID Connect token of the attempt in a variable.
type IDToken struct {
	Variable  string   `json:"variable"`
	Audiences []string `json:"audiences"`
}
