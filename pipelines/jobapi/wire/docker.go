package wire

import "encoding/json"

// Registry is the one that jobs push to.
const Registry = "registry.slipway.internal"

// MaxDockerOptions bounds the first line of POST /docker/build.
const MaxDockerOptions = 4 << 20

// DockerBuild is that line, a JSON object; the context follows as a tar.gz.
type DockerBuild struct {
	// Dockerfile within the context, or DockerfileText, which is not in it.
	Dockerfile     string            `json:"dockerfile,omitempty"`
	DockerfileText []byte            `json:"dockerfileText,omitempty"`
	Target         string            `json:"target,omitempty"`
	Args           map[string]string `json:"args,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Secrets        map[string][]byte `json:"secrets,omitempty"`
	NoCache        bool              `json:"noCache,omitempty"`
	// Pull asks for the base images again.
	Pull bool `json:"pull,omitempty"`
}

// DockerImage is one that the server holds for a job.
type DockerImage struct {
	// Source is the repository that holds it, as "default/shop/slipway-jobs".
	Source string `json:"source,omitempty"`
	Digest string `json:"digest"`
	// Config is the digest of its configuration, Details the configuration's "config".
	Config  string          `json:"configDigest,omitempty"`
	Details json.RawMessage `json:"details,omitempty"`
	Created string          `json:"created,omitempty"`
	// Size of the manifest for what was pushed, of the layers for what is held.
	Size int64 `json:"size,omitempty"`
}

// DockerPush gives a held image a name in the registry.
type DockerPush struct {
	Source string `json:"source"`
	Digest string `json:"digest"`
	// Name as "registry.slipway.internal/default/shop".
	Name string `json:"name"`
	Tag  string `json:"tag"`
}

// DockerPull makes the server hold an image of a registry.
type DockerPull struct {
	Name string `json:"name"`
}

// DockerLogin asks whether a password is one of the registry's.
type DockerLogin struct {
	User     string `json:"user"`
	Password string `json:"password"`
}
