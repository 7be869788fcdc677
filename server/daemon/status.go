package daemon

import (
	"context"
	"sync"
	"time"

	"slipway.dev/cluster/supervise"
	"slipway.dev/server/api"
)

// status collects how the parts are: those that come up once say so with done,
// those that live on are asked.
type status struct {
	mu    sync.Mutex
	parts []api.Component
	asked []func(ctx context.Context) []api.Component
}

func newStatus() *status { return &status{} }

// waiting lists a part that is not up yet; the returned function says that it is.
func (s *status) waiting(name, message string) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.parts)
	s.parts = append(s.parts, api.Component{Name: name, Message: message})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.parts[i] = api.Component{Name: name, Ready: true, Since: time.Now().Format(time.RFC3339)}
	}
}

// ask lists parts that are looked at each time.
func (s *status) ask(f func(ctx context.Context) []api.Component) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, f)
}

// components is how everything is now.
func (s *status) components(ctx context.Context) []api.Component {
	s.mu.Lock()
	all := append([]api.Component{}, s.parts...)
	asked := append([]func(context.Context) []api.Component{}, s.asked...)
	s.mu.Unlock()
	for _, f := range asked {
		all = append(all, f(ctx)...)
	}
	return all
}

// children lists the processes of a supervisor.
func children(states func() []supervise.State) func(context.Context) []api.Component {
	return func(context.Context) []api.Component {
		var out []api.Component
		for _, st := range states() {
			c := api.Component{Name: st.Name, Ready: st.Running && st.Ready, Since: st.Since.Format(time.RFC3339)}
			if !c.Ready {
				c.Message = st.LastExit
			}
			out = append(out, c)
		}
		return out
	}
}
