package plan

// External is a variable of a job whose value another server keeps. It is fetched for
// each attempt, with a token that says whose attempt it is, and is never in a plan. All
// that says where it is may refer to variables.
type External struct {
	Variable string `json:"variable"`
	// File: the attempt gets the name of a file that holds the value.
	File bool `json:"file,omitempty"`
	// Server is a HashiCorp Vault; AuthPath is where its JWT method is (empty: jwt).
	Server    string `json:"server"`
	Namespace string `json:"namespace,omitempty"`
	AuthPath  string `json:"authPath,omitempty"`
	Role      string `json:"role,omitempty"`
	// Token to log in with.
	Token string `json:"token"`
	// Engine: kv-v1, kv-v2 or generic, mounted at Mount.
	Engine string `json:"engine"`
	Mount  string `json:"mount"`
	Path   string `json:"path"`
	Field  string `json:"field"`
}
