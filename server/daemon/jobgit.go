package daemon

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/front"
)

// jobExtra marks a caller of git that is a job: the namespace and the repository whose
// job it is, and whether it reads others. No token of a person has it.
const jobExtra = "slipway.dev/job-of"

const readsOthers = "others"

// gitUser is who pushes or fetches: a person by a token, or a running job by the token
// of its attempt as the password.
func (s *services) gitUser(r *http.Request) (user.Info, bool) {
	u, err := s.door.User(r)
	if err == nil {
		return &user.DefaultInfo{Name: u.Name, Groups: u.Groups}, true
	}
	_, password, ok := r.BasicAuth()
	if !ok || !errors.Is(err, front.ErrUnauthorized) {
		return nil, false
	}
	ref, err := s.pipelines.Tokens.Check(password)
	if err != nil {
		return nil, false
	}
	namespace, repository, trusted, err := s.pipelines.Reader(r.Context(), ref)
	if err != nil {
		return nil, false
	}
	of := []string{namespace, repository}
	if trusted {
		of = append(of, readsOthers)
	}
	return &user.DefaultInfo{Name: "job " + ref.String(), Extra: map[string][]string{jobExtra: of}}, true
}

// gitAllowed is the authorisation of gitops/git. A job reads its own repository and those
// of its namespace that let it, and nothing else.
func (s *services) gitAllowed(ctx context.Context, u user.Info, verb, namespace, repository string) (bool, error) {
	of := u.GetExtra()[jobExtra]
	if len(of) == 0 {
		return s.access.git(ctx, u, verb, namespace, repository)
	}
	if verb != "get" || namespace != of[0] {
		return false, nil
	}
	if repository == of[1] || !slices.Contains(of[2:], readsOthers) {
		return repository == of[1], nil
	}
	repo := &slipway.Repository{}
	err := s.manager.GetClient().Get(ctx, client.ObjectKey{Namespace: namespace, Name: repository}, repo)
	return err == nil && repo.ReadableBy(of[1]), client.IgnoreNotFound(err)
}
