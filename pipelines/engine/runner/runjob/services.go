package runjob

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"slipway.dev/pipelines/jobapi/wire"
)

const (
	// servicePatience is how long a service that runs may take until it answers.
	servicePatience = 30 * time.Second
	serviceRetry    = 50 * time.Millisecond
	// serviceLook is how often the server is asked whether one ended that does not answer.
	serviceLook = time.Second
	hostsFile   = "/etc/hosts"
)

// EnvDind holds the names of Docker daemons that were left out; the job's own docker
// does not look for a daemon there.
const EnvDind = "SLIPWAY_DIND"

// dnsNameRE are names that Kubernetes itself put into the hosts file.
var dnsNameRE = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// services is what is known of the containers beside the job.
type services struct {
	list []wire.Service
	said bytes.Buffer
	done chan struct{}
	err  error
}

// startServices begins to wait for them, while the source is fetched.
func (a *attempt) startServices(ctx context.Context) *services {
	s := &services{done: make(chan struct{})}
	if !a.job.Services {
		close(s.done)
		return s
	}
	go func() {
		defer close(s.done)
		if s.list, s.err = a.started(ctx); s.err != nil {
			return
		}
		s.err = addHosts(hostsFile, s.list)
		a.answering(ctx, s)
	}()
	return s
}

// join says what there is to say, once all services answer or their time is over.
func (s *services) join(a *attempt) error {
	<-s.done
	_, _ = s.said.WriteTo(a.out)
	if s.err != nil {
		return fmt.Errorf("services: %w", s.err)
	}
	var left []string
	for i := range s.list {
		if s.list[i].State == wire.ServiceLeftOut {
			left = append(left, s.list[i].Names...)
			a.warn("service %s is left out: no Docker daemon is needed here; docker build, tag, push and login work without one", s.list[i].Image)
		}
	}
	if left != nil {
		a.env = append(a.env, EnvDind+"="+strings.Join(left, " "))
	}
	return nil
}

// started follows the states until all containers have started.
func (a *attempt) started(ctx context.Context) ([]wire.Service, error) {
	for {
		rc, err := a.Get(ctx, "/services")
		if err != nil {
			return nil, err
		}
		list, err := readServices(rc)
		rc.Close()
		if !errors.Is(err, errBroken) || ctx.Err() != nil {
			return list, err
		}
	}
}

func readServices(r io.Reader) ([]wire.Service, error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 1<<20)
	for sc.Scan() {
		var line wire.Services
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("the server's answer is not understood: %w", err)
		}
		if line.Done && line.Error != "" {
			return nil, errors.New(line.Error)
		}
		if line.Done {
			return line.Services, nil
		}
	}
	return nil, errBroken
}

// answering waits for a port of each service that runs. One that does not answer is
// warned of, with its log, and the job goes on.
func (a *attempt) answering(ctx context.Context, s *services) {
	var group sync.WaitGroup
	faults := make([]string, len(s.list))
	ended, stop := a.endings(ctx, len(s.list))
	for i, one := range s.list {
		switch {
		case one.State == wire.ServiceEnded:
			faults[i] = one.Message
		case one.State == wire.ServiceRunning && len(one.Ports) > 0:
			group.Go(func() { faults[i] = answers(ended[i], one.Ports, servicePatience) })
		}
	}
	group.Wait()
	stop()
	for i, fault := range faults {
		if fault == "" || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(&s.said, "\033[33;1m*** WARNING: Service %s probably didn't start properly.\033[0;m\n%s\n", title(s.list[i]), fault)
		a.serviceLog(ctx, i, &s.said)
	}
}

// endings gives a context for each service, which ends with why the service did. It
// looks until stop is called.
func (a *attempt) endings(ctx context.Context, n int) (ended []context.Context, stop func()) {
	looking, cancel := context.WithCancel(ctx)
	end := make([]context.CancelCauseFunc, n)
	for i := range n {
		one, because := context.WithCancelCause(looking)
		ended, end[i] = append(ended, one), because
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-looking.Done():
				return
			case <-time.After(serviceLook):
			}
			list, err := a.started(looking)
			if err != nil || len(list) != n {
				continue
			}
			for i, s := range list {
				if s.State == wire.ServiceEnded {
					end[i](errors.New(s.Message))
				}
			}
		}
	})
	return ended, func() { cancel(); group.Wait() }
}

func title(s wire.Service) string {
	if len(s.Names) == 0 {
		return s.Image
	}
	return s.Image + " (" + strings.Join(s.Names, ", ") + ")"
}

// answers returns "" when one of the ports takes connections, else why none does: the
// service ended, which is the cause of the end of whole, or its time is over.
func answers(whole context.Context, ports []int, patience time.Duration) string {
	ctx, cancel := context.WithTimeout(whole, patience)
	defer cancel()
	var last error
	for {
		for _, port := range ports {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err == nil {
				conn.Close()
				return ""
			}
			last = err
		}
		select {
		case <-ctx.Done():
			if whole.Err() != nil {
				return context.Cause(whole).Error()
			}
			return fmt.Sprintf("no answer on its ports within %s: %v", patience, last)
		case <-time.After(serviceRetry):
		}
	}
}

func (a *attempt) serviceLog(ctx context.Context, index int, out io.Writer) {
	rc, err := a.Get(ctx, "/services/"+strconv.Itoa(index)+"/log")
	if err != nil {
		fmt.Fprintln(out, "Its log cannot be read:", err)
		return
	}
	defer rc.Close()
	fmt.Fprintln(out, "Service container logs:")
	lines := bufio.NewScanner(io.LimitReader(rc, wire.MaxServiceLog))
	for lines.Scan() {
		fmt.Fprintln(out, lines.Text())
	}
	fmt.Fprint(out, "\n*********\n\n")
}

// afterwards shows the logs of services: all where CI_DEBUG_SERVICES asks for it, and
// those that ended by themselves where the job failed.
func (a *attempt) afterwards(ctx context.Context, s *services, code int) {
	debug := false
	for _, v := range a.job.Env {
		if v.Name == "CI_DEBUG_SERVICES" {
			debug = strings.EqualFold(v.Value, "true") || v.Value == "1"
		}
	}
	if len(s.list) == 0 || code == 0 && !debug {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	list, err := a.started(ctx)
	if err != nil {
		return
	}
	for i, one := range list {
		if debug && one.State != wire.ServiceLeftOut || one.State == wire.ServiceEnded {
			fmt.Fprintf(a.out, "Service %s: %s\n", title(one), one.State)
			a.serviceLog(ctx, i, a.out)
		}
	}
}

// addHosts adds the names that are no DNS names, as tutum__wordpress, to the hosts file.
func addHosts(file string, list []wire.Service) error {
	var names []string
	for _, s := range list {
		if s.State == wire.ServiceLeftOut {
			continue
		}
		for _, n := range s.Names {
			if !dnsNameRE.MatchString(n) && !strings.ContainsAny(n, " \t\r\n#\x00") && n != "" {
				names = append(names, n)
			}
		}
	}
	if names == nil {
		return nil
	}
	f, err := os.OpenFile(filepath.Clean(file), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("name %s: %w; give it an alias of lower-case letters, digits and '-'", names[0], err)
	}
	_, err = f.WriteString("127.0.0.1\t" + strings.Join(names, " ") + "\n")
	return errors.Join(err, f.Close())
}
