package run

import (
	"context"
	"errors"
	"strings"

	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/vault"
)

// Vaults reads secrets of other servers; *vault.Client is one.
type Vaults interface {
	Read(ctx context.Context, l vault.Login, secrets []vault.Secret) ([]string, error)
}

// external variables of an attempt, fetched now, with one login for those of one server
// and role. They are kept nowhere.
func (c *Controller) external(ctx context.Context, job *plan.Job, value func(string) string) ([]plan.Variable, error) {
	if c.Vaults == nil {
		return nil, errors.New("this server reads no vault")
	}
	var logins []vault.Login
	by := map[vault.Login][]int{}
	for i := range job.External {
		x := &job.External[i]
		l := vault.Login{Server: strings.TrimSpace(value(x.Server)), Namespace: value(x.Namespace), AuthPath: value(x.AuthPath), Role: value(x.Role), JWT: value(x.Token)}
		if by[l] == nil {
			logins = append(logins, l)
		}
		by[l] = append(by[l], i)
	}
	out := make([]plan.Variable, len(job.External))
	for _, l := range logins {
		var secrets []vault.Secret
		for _, i := range by[l] {
			x := &job.External[i]
			secrets = append(secrets, vault.Secret{Engine: x.Engine, Mount: value(x.Mount), Path: value(x.Path), Field: value(x.Field)})
		}
		values, err := c.Vaults.Read(ctx, l, secrets)
		if err != nil {
			return nil, err
		}
		for n, i := range by[l] {
			out[i] = plan.Variable{Name: job.External[i].Variable, Value: values[n], Raw: true, File: job.External[i].File}
		}
	}
	return out, nil
}
