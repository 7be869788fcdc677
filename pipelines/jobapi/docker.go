package jobapi

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi/wire"
)

// holding is the last element of the repository in which what jobs have built waits to
// be pushed: a build alone moves no tag that anybody else uses.
const holding = "slipway-jobs"

// docker answers POST /docker/<what>.
func (c *call) docker(what string) {
	switch what {
	case "build":
		c.streamEvent(c.dockerBuild)
	case "push":
		c.streamEvent(c.dockerPush)
	case "pull":
		c.streamEvent(c.dockerPull)
	case "login":
		c.dockerLogin()
	default:
		fail(c.w, http.StatusNotFound, "no such route")
	}
}

// heldTag is new for every build, so that no build takes the tag of another.
func (c *call) heldTag() string {
	sum := sha256.Sum256([]byte(c.ref.String()))
	return "job-" + hex.EncodeToString(sum[:6]) + "-" + strings.ToLower(rand.Text()[:10])
}

func (c *call) held() string { return c.job.Repository + "/" + holding }

func (c *call) dockerBuild(ctx context.Context, progress io.Writer) (wire.Event, error) {
	body := bufio.NewReaderSize(io.LimitReader(c.r.Body, wire.MaxContext), 64<<10)
	var b wire.DockerBuild
	if err := readLine(body, &b); err != nil {
		return wire.Event{}, err
	}
	tag := c.heldTag()
	made, err := c.Builder.Build(ctx, BuildRequest{
		Namespace: c.ref.Namespace, Name: c.held(), Tag: tag, Context: body,
		Dockerfile: b.Dockerfile, DockerfileText: b.DockerfileText, Target: b.Target, Args: b.Args,
		Labels: b.Labels, Secrets: b.Secrets, NoCache: b.NoCache, Pull: b.Pull,
	}, progress)
	if err != nil {
		return wire.Event{}, err
	}
	source := c.ref.Namespace + "/" + c.held()
	image, err := c.Images.Describe(ctx, c.ref.Namespace, v1alpha1.RegistryHost+"/"+source+"@"+made.Digest)
	if err != nil {
		return wire.Event{}, err
	}
	image.Source = source
	return wire.Event{Docker: &image}, nil
}

// readLine of JSON that what follows begins after.
func readLine(r *bufio.Reader, into any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > wire.MaxDockerOptions {
			return fmt.Errorf("the build's options are longer than %d bytes", wire.MaxDockerOptions)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil || json.Unmarshal(line, into) != nil {
			return errors.New("the build's options are not understood")
		}
		return nil
	}
}

// dockerPush is the only thing here that gives an image a name that others use.
func (c *call) dockerPush(ctx context.Context, _ io.Writer) (wire.Event, error) {
	var p wire.DockerPush
	if err := json.NewDecoder(io.LimitReader(c.r.Body, wire.MaxReportSize)).Decode(&p); err != nil {
		return wire.Event{}, errors.New("the push is not understood")
	}
	host, path, _ := strings.Cut(p.Name, "/")
	if host != v1alpha1.RegistryHost {
		return wire.Event{}, fmt.Errorf("%s: jobs push to %s, as $CI_REGISTRY_IMAGE; another registry is not pushed to from here, use a program such as crane or skopeo for it", p.Name, v1alpha1.RegistryHost)
	}
	name, own := strings.CutPrefix(path, c.ref.Namespace+"/")
	if !own {
		return wire.Event{}, fmt.Errorf("%s: jobs of namespace %s push below %s/%s/", p.Name, c.ref.Namespace, v1alpha1.RegistryHost, c.ref.Namespace)
	}
	if err := c.mayPush(ctx, name); err != nil {
		return wire.Event{}, err
	}
	if strings.HasSuffix(path, "/"+holding) {
		return wire.Event{}, fmt.Errorf("%s: this name is used for images that are not pushed yet", p.Name)
	}
	if p.Source != c.ref.Namespace+"/"+c.held() {
		return wire.Event{}, errors.New("this image was not built or pulled by a job of this repository")
	}
	image, err := c.Images.Copy(ctx, c.ref.Namespace, v1alpha1.RegistryHost+"/"+p.Source+"@"+p.Digest, path, p.Tag)
	if err != nil {
		return wire.Event{}, err
	}
	return wire.Event{Docker: &image}, c.Jobs.Pushed(ctx, c.ref, v1alpha1.Image{Name: p.Name, Digest: image.Digest})
}

func (c *call) dockerPull(ctx context.Context, _ io.Writer) (wire.Event, error) {
	var p wire.DockerPull
	if err := json.NewDecoder(io.LimitReader(c.r.Body, wire.MaxReportSize)).Decode(&p); err != nil {
		return wire.Event{}, errors.New("the pull is not understood")
	}
	source := c.ref.Namespace + "/" + c.held()
	image, err := c.Images.Copy(ctx, c.ref.Namespace, p.Name, source, c.heldTag())
	image.Source = source
	return wire.Event{Docker: &image}, err
}

func (c *call) dockerLogin() {
	var l wire.DockerLogin
	if err := json.NewDecoder(io.LimitReader(c.r.Body, wire.MaxReportSize)).Decode(&l); err != nil {
		fail(c.w, http.StatusBadRequest, "the login is not understood")
		return
	}
	// The job's own token is $CI_REGISTRY_PASSWORD.
	if ref, err := c.Tokens.Check(l.Password); err == nil && ref == c.ref {
		c.w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := c.Images.Login(c.r.Context(), l.User, l.Password); err != nil {
		fail(c.w, http.StatusForbidden, "unauthorized: the user or the password is wrong; use $CI_REGISTRY_USER and $CI_REGISTRY_PASSWORD")
		return
	}
	c.w.WriteHeader(http.StatusNoContent)
}
