package api

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// Authorizer says whether RBAC allows a verb on a resource of group slipway.dev.
type Authorizer interface {
	Allowed(ctx context.Context, u User, verb, resource, namespace, name string) (bool, error)
}

// Runs is what the API asks of pipelines.
type Runs interface {
	// Start makes a run of the commit that a ref of a repository points to.
	Start(ctx context.Context, namespace string, r StartRun, by string) (*slipway.Run, error)
	// Get a run, also of the archive.
	Get(ctx context.Context, namespace, run string) (*slipway.Run, error)
	// List at most limit runs, of one repository unless it is empty, newest first, that come
	// after a place; next is the place of the last, "" where there are no more.
	List(ctx context.Context, namespace, repository, after string, limit int) (runs []slipway.Run, next string, err error)
	// Delete a run with its logs and artifacts.
	Delete(ctx context.Context, namespace, run string) error
	// Form is what a person may fill in who starts a run of a ref of a repository.
	Form(ctx context.Context, namespace, repository, ref string) (any, error)
	Cancel(ctx context.Context, namespace, run, by string) error
	// Rerun makes a new run of the same commit.
	Rerun(ctx context.Context, namespace, run, by string) (*slipway.Run, error)
	// Act asks for things to be done to jobs of a run, all or none.
	Act(ctx context.Context, namespace, run string, actions ...slipway.RunAction) error
	// Log reads an attempt's log; attempt 0 is the newest. With follow it ends when the attempt does.
	Log(ctx context.Context, namespace, run, job string, attempt int, follow bool) (io.ReadCloser, error)
}

// StartRun is the body of a request for a run.
type StartRun struct {
	Repository string `json:"repository"`
	// Ref is a full or short name of a branch or tag; empty: the default branch.
	Ref       string            `json:"ref,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
	// Inputs of the pipeline file.
	Inputs map[string]json.RawMessage `json:"inputs,omitempty"`
	// MergeRequest is a branch: the run is that of a request to merge Ref into it.
	MergeRequest string `json:"mergeRequest,omitempty"`
	// Cause: manual (a person) or api (a program), the default.
	Cause string `json:"cause,omitempty"`
}

// Applications is what the API asks of gitops.
type Applications interface {
	Sync(ctx context.Context, namespace, application, by string, ask SyncAsk) error
	// Preview is the unified difference that a sync would make, secrets masked.
	Preview(ctx context.Context, namespace, application string, ask SyncAsk) (string, error)
	// Delete with what was applied, or without; nil is as the application says.
	Delete(ctx context.Context, namespace, application, by string, cascade *bool) error
	Rollback(ctx context.Context, namespace, application string, release int64, by string) error
	Unpin(ctx context.Context, namespace, application, by string) error
	// Stop fails the rollout that is under way; what was healthy is put back.
	Stop(ctx context.Context, namespace, application, by string) error
	// Diff is the unified difference of desired and live, secrets masked.
	Diff(ctx context.Context, namespace, application string) (string, error)
	// Refresh looks at the repository, and at what is applied, now.
	Refresh(ctx context.Context, namespace, application string) error
	// Tree is the application's objects, each followed by what came of it.
	Tree(ctx context.Context, namespace, application string) ([]apply.Node, error)
	// Events of the application itself, the newest first.
	Events(ctx context.Context, namespace, application string) ([]apply.Event, error)
	// Look shows one object of the tree or of what is desired; data of Secrets is masked.
	Look(ctx context.Context, namespace, application string, ref slipway.ObjectReference) (*apply.View, error)
	// Follow gives word, until ctx ends, that something of an application changed.
	Follow(ctx context.Context, namespace, application string) <-chan struct{}
	// DiffLocal is Diff as if a gzipped tar file were the tree of the commit that is desired.
	DiffLocal(ctx context.Context, namespace, application string, archive io.Reader) (string, error)
	// Compare is the unified difference of two releases, secrets masked; against 0 is the
	// one before.
	Compare(ctx context.Context, namespace, application string, release, against int64) (string, error)
}

// Repositories is what the API asks of gitops about repositories.
type Repositories interface {
	// Sync looks at the repository's remote now.
	Sync(ctx context.Context, namespace, repository string) error
}

// Token is a scoped token as it is listed; the secret is shown only once.
type Token struct {
	ID        string     `json:"id"`
	User      string     `json:"user"`
	Groups    []string   `json:"groups,omitempty"`
	Namespace string     `json:"namespace,omitempty"`
	Role      string     `json:"role,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
	Secret    string     `json:"secret,omitempty"`
}

// Tokens is what the API asks of the token store.
type Tokens interface {
	List(ctx context.Context) ([]Token, error)
	// Create returns the token with its secret.
	Create(ctx context.Context, t Token) (Token, error)
	Revoke(ctx context.Context, id string) error
}

// Logs searches the log store; rows are written as lines of JSON, newest last.
type Logs interface {
	Query(ctx context.Context, w io.Writer, q LogQuery) error
	// Overview writes a histogram and the fields' values of the rows, as JSON.
	Overview(ctx context.Context, w io.Writer, q LogQuery) error
	// Context writes the rows around one of a container.
	Context(ctx context.Context, w io.Writer, c LogContext) error
}

// LogContext is a line's place: its container's rows around it are asked for.
type LogContext struct {
	Namespace, Pod, Container string
	At                        time.Time
	Before, After             int
	From                      string
}

// LogQuery asks for the log rows of one namespace.
type LogQuery struct {
	Namespace string
	// Lucene says that Query is a query string of Elasticsearch's, not LogsQL.
	Lucene     bool
	Query      string
	Start, End time.Time
	Limit      int
	Follow     bool
	// From is where the lines are read: store or elasticsearch; "" is as configured.
	From string
}

// Component is a part of Slipway and how it is.
type Component struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	// Optional ones keep nothing else waiting while they are not ready.
	Optional bool `json:"optional,omitempty"`
	// Message says why it is not ready, or what it does.
	Message string `json:"message,omitempty"`
	Since   string `json:"since,omitempty"`
}

// Seeder puts an image file (docker save, OCI archive) into the registry under
// the name of a base image and returns its digest.
type Seeder interface {
	Seed(ctx context.Context, image, file string) (string, error)
}

// Deps is what the API is made of. Reader may be a cache.
type Deps struct {
	Reader       client.Reader
	Writer       client.Client
	Watcher      Watcher
	Authorizer   Authorizer
	Runs         Runs
	Kept         Kept
	Applications Applications
	Repositories Repositories
	Deliveries   Deliveries
	Browser      Browser
	Variables    Variables
	Schedules    Schedules
	Environments Environments
	Promotions   Promotions
	// ApplicationSets approves what they ask approval for.
	ApplicationSets ApplicationSets
	Tokens          Tokens
	Logs            Logs
	Alerts          Alerts
	Exposed         Exposed
	LogStack        LogStack
	Dashboards      Dashboards
	// Grafana is nil where none is configured.
	Grafana Grafana
	// ScrapeInterval is between two samples of a series.
	ScrapeInterval time.Duration
	Images         Seeder
	// Uploads is a directory for what comes in and is looked at before it is kept; Room is
	// nil while its disk has some.
	Uploads string
	Room    func() error
	Status  func(ctx context.Context) []Component
	// Tenants are the namespaces of tenants.
	Tenants func(ctx context.Context) ([]string, error)
}
