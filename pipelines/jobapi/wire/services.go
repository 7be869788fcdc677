package wire

// EnvUser is the name of the user that the job's script runs as, where the pod itself
// runs as the image has it.
const EnvUser = "SLIPWAY_JOB_USER"

// States of a service.
const (
	ServiceWaiting = "waiting"
	ServiceRunning = "running"
	ServiceEnded   = "ended"
	// ServiceLeftOut is a Docker daemon, which is not needed.
	ServiceLeftOut = "left out"
)

// Service is a container beside the job.
type Service struct {
	Image string   `json:"image"`
	Names []string `json:"names,omitempty"`
	// Ports that answer once it is ready; none: it is not waited for.
	Ports   []int  `json:"ports,omitempty"`
	State   string `json:"state"`
	Message string `json:"message,omitempty"`
}

// Services is one line of the answer to GET /services; the last one has Done.
type Services struct {
	Services []Service `json:"services,omitempty"`
	Done     bool      `json:"done,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// MaxServiceLog bounds what is shown of a service's log.
const MaxServiceLog = 64 << 10
