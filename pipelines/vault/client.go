package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits of one reading.
const (
	patience  = 20 * time.Second
	maxAnswer = 1 << 20
	maxTold   = 300 // bytes of what the server says is wrong
)

// Login says where and as whom.
type Login struct {
	// Server is its address, such as https://vault.example.com:8200.
	Server string
	// Namespace of the enterprise edition; empty: none.
	Namespace string
	// AuthPath is where the JWT method is mounted; empty: jwt.
	AuthPath string
	// Role; empty: the default of the method.
	Role string
	// JWT is the signed token.
	JWT string
}

// The engines.
const (
	KV1     = "kv-v1"
	KV2     = "kv-v2"
	Generic = "generic"
)

// Secret is one field.
type Secret struct {
	// Engine: kv-v1, kv-v2, generic; Mount is where it is.
	Engine, Mount string
	Path, Field   string
}

func (s *Secret) String() string { return s.Mount + "/" + s.Path + ": " + s.Field }

// Client of any server. HTTP must not follow redirects: they would take the token along.
type Client struct{ HTTP *http.Client }

// New client that connects by this transport.
func New(transport http.RoundTripper) *Client {
	return &Client{&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Read the secrets, in their order, with one login, which ends with them.
func (c *Client) Read(ctx context.Context, l Login, secrets []Secret) (values []string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %s", patience))
	defer cancel()
	defer func() {
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			err = fmt.Errorf("vault %s: %w", shown(l.Server), err)
		}
	}()
	if l.AuthPath == "" {
		l.AuthPath = "jwt"
	}
	if l.JWT == "" {
		return nil, errors.New("the token to log in with is empty; name one of id_tokens")
	}
	s := session{Client: c, Login: l}
	if err := s.login(ctx); err != nil {
		return nil, err
	}
	defer s.logout(ctx)
	read := map[string]map[string]json.RawMessage{}
	for i := range secrets {
		one := &secrets[i]
		key := one.Engine + "\x00" + one.Mount + "\x00" + one.Path
		fields, ok := read[key]
		if !ok {
			if fields, err = s.read(ctx, one); err != nil {
				return nil, err
			}
			read[key] = fields
		}
		raw, ok := fields[one.Field]
		if !ok {
			return nil, fmt.Errorf("%s/%s has no field %q", one.Mount, one.Path, one.Field)
		}
		values = append(values, text(raw))
	}
	return values, nil
}

// text of a value: a string as it is, anything else as JSON.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// shown is an address for people, without credentials.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(its address is none)"
	}
	return u.Scheme + "://" + u.Host
}

type session struct {
	*Client
	Login
	token string
}

func (s *session) login(ctx context.Context) error {
	path, err := joined("auth", s.AuthPath, "login")
	if err != nil {
		return fmt.Errorf("the path of the login: %w", err)
	}
	body := map[string]string{"jwt": s.JWT}
	if s.Role != "" {
		body["role"] = s.Role
	}
	var answer struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	if err := s.do(ctx, http.MethodPost, path, body, &answer); err != nil {
		return fmt.Errorf("login at auth/%s with role %q: %w", s.AuthPath, s.Role, err)
	}
	if s.token = answer.Auth.Token; s.token == "" {
		return fmt.Errorf("login at auth/%s: the answer has no token", s.AuthPath)
	}
	return nil
}

// logout gives the login back. It would end by itself.
func (s *session) logout(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = s.do(ctx, http.MethodPost, "auth/token/revoke-self", nil, nil)
}

func (s *session) read(ctx context.Context, one *Secret) (map[string]json.RawMessage, error) {
	parts := []string{one.Mount, one.Path}
	if one.Engine == KV2 {
		parts = []string{one.Mount, "data", one.Path}
	}
	path, err := joined(parts...)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data json.RawMessage `json:"data"`
	}
	if err := s.do(ctx, http.MethodGet, path, nil, &answer); err != nil {
		return nil, fmt.Errorf("%s/%s: %w", one.Mount, one.Path, err)
	}
	if one.Engine == KV2 {
		var inner struct {
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(answer.Data, &inner); err != nil {
			return nil, fmt.Errorf("%s/%s is not of a kv-v2 engine", one.Mount, one.Path)
		}
		answer.Data = inner.Data
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(answer.Data, &fields); err != nil {
		return nil, fmt.Errorf("%s/%s has no fields; is its engine %s?", one.Mount, one.Path, one.Engine)
	}
	return fields, nil
}

// joined parts of a path, each segment escaped.
func joined(parts ...string) (string, error) {
	var out []string
	for _, p := range parts {
		for _, segment := range strings.Split(strings.Trim(p, "/"), "/") {
			if segment == "" || segment == "." || segment == ".." {
				return "", fmt.Errorf("%q is not a path", p)
			}
			out = append(out, url.PathEscape(segment))
		}
	}
	return strings.Join(out, "/"), nil
}

func (s *session) do(ctx context.Context, method, path string, body, into any) error {
	base, err := url.Parse(s.Server)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil {
		return errors.New("its address is not one such as https://vault.example.com:8200")
	}
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base.Scheme+"://"+base.Host+base.EscapedPath(), "/")+"/v1/"+path, in)
	if err != nil {
		return errors.New("its address is not understood")
	}
	r.Header.Set("X-Vault-Request", "true")
	if s.token != "" {
		r.Header.Set("X-Vault-Token", s.token)
	}
	if s.Namespace != "" {
		r.Header.Set("X-Vault-Namespace", s.Namespace)
	}
	answer, err := s.HTTP.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which is said already
		}
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case len(data) > maxAnswer:
		return fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	case answer.StatusCode/100 == 3:
		return fmt.Errorf("it redirects (%d); give the address of the active server", answer.StatusCode)
	case answer.StatusCode/100 != 2:
		return refused(answer.StatusCode, data)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return errors.New("the answer is not JSON; is this a Vault?")
	}
	return nil
}

// refused says what the server does, which its API has as a list of errors.
func refused(code int, data []byte) error {
	var told struct {
		Errors []string `json:"errors"`
	}
	why := http.StatusText(code)
	if json.Unmarshal(data, &told) == nil && len(told.Errors) > 0 {
		why = strings.Join(strings.Fields(strings.Join(told.Errors, "; ")), " ")
	}
	if len(why) > maxTold {
		why = why[:maxTold] + "..."
	}
	return fmt.Errorf("%s (%d)", strings.ToValidUTF8(why, ""), code)
}
