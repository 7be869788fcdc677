package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	kube "slipway.dev/cluster/client"
	"slipway.dev/observability/elastic/remote"
	"slipway.dev/observability/logs"
	"slipway.dev/observability/observe"
	"slipway.dev/observability/stack"
	"slipway.dev/server/api"
)

// openLogStack readies the controller of the Fluentd and Elasticsearch on this cluster.
func (s *services) openLogStack(context.Context) error {
	s.logStack = &stack.Controller{
		Client: s.manager.GetClient(), Reader: s.manager.GetAPIReader(),
		Search: &stackSearch{observe: s.observe}, Lines: stackLines{s.observe}, Log: s.log.With("part", "log stack"),
	}
	s.state.ask(s.logStackState)
	return s.logStack.SetupWithManager(s.manager)
}

// stackLines has the observe child send to the stack's Fluentd.
type stackLines struct{ observe *observe.Client }

func (l stackLines) Send(ctx context.Context, to stack.Forward) error {
	return l.observe.SendTo(ctx, &logs.Fluent{
		Address: to.Address, ServerName: to.ServerName, CA: string(to.CA), Key: to.SharedKey,
		IDField: stack.IDField, IndexField: stack.IndexField, IndexPrefix: remote.Prefix,
	}, to.Back)
}

func (l stackLines) Stop(ctx context.Context) error {
	return errors.Join(l.observe.SendTo(ctx, nil, false), l.observe.ReadAt(ctx, nil))
}

// settled is how long users and templates are taken for as they should be.
const settled = 10 * time.Minute

// stackSearch readies the stack's Elasticsearch.
type stackSearch struct {
	observe *observe.Client

	mu   sync.Mutex
	done [sha256.Size]byte
	at   time.Time
}

func (e *stackSearch) Ensure(ctx context.Context, a stack.Access) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	user := func(name string) remote.User { return remote.User{Name: name, Password: a.Passwords[name]} }
	r, transport, err := remote.At(a.Address, a.ServerName, a.CA, user(stack.Superuser))
	if err != nil {
		return "", err
	}
	defer transport.CloseIdleConnections()
	r.Retention, r.Replicas = a.Retention, "0-1"
	health, err := r.Health(ctx)
	if remote.Refused(err) {
		return "", fmt.Errorf("the data is of another stack: the password of %s is not the one in the Secret %s; put that back, or `slipway logstack remove --with-data`", stack.Superuser, stack.PasswordsSecret)
	}
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(a)
	if err != nil {
		return health, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	digest := sha256.Sum256(b)
	// Again and again: a child that was started anew knows nothing of it.
	read := func() error {
		return e.observe.ReadAt(ctx, &observe.ReadAt{Address: a.Address, ServerName: a.ServerName, CA: string(a.CA), User: stack.Reader, Password: a.Passwords[stack.Reader]})
	}
	if digest == e.done && time.Since(e.at) < settled {
		return health, read()
	}
	if err := r.Provision(ctx); err != nil {
		return health, err
	}
	if err := r.Users(ctx, user(stack.KibanaUser), user(stack.Writer), user(stack.Reader)); err != nil {
		return health, err
	}
	e.done, e.at = digest, time.Now()
	return health, read()
}

// logStackState is a line of `slipway status` for each part; nothing of ours waits for it.
func (s *services) logStackState(ctx context.Context) []api.Component {
	if !s.booted.Load() {
		return nil
	}
	var l slipway.LogStack
	if s.manager.GetClient().Get(ctx, client.ObjectKey{Name: slipway.LogStackName}, &l) != nil {
		return nil // none, most of the time
	}
	if len(l.Status.Components) == 0 {
		return []api.Component{{Name: "log stack", Optional: true, Message: l.Status.Message}}
	}
	var out []api.Component
	for _, c := range l.Status.Components {
		message := c.Message
		if message == "" && c.Name == stack.Elasticsearch {
			message = l.Status.ElasticsearchHealth
		}
		out = append(out, api.Component{Name: "log stack: " + c.Name, Optional: true, Ready: c.State == slipway.StackReady, Message: message})
	}
	return out
}

// logStacks is the stack in the API's words.
type logStacks struct {
	client client.Client
	reader client.Reader
	stack  *stack.Controller
}

// Apply makes the stack so.
func (l logStacks) Apply(ctx context.Context, spec slipway.LogStackSpec) (*slipway.LogStack, error) {
	if spec.Elasticsearch.Storage.Size.IsZero() {
		// A quantity that is left out is sent as 0, which no default takes the place of.
		spec.Elasticsearch.Storage.Size = resource.MustParse("10Gi")
	}
	now := &slipway.LogStack{}
	err := l.reader.Get(ctx, client.ObjectKey{Name: slipway.LogStackName}, now)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	if err == nil && !now.DeletionTimestamp.IsZero() {
		return nil, &api.Error{Status: http.StatusConflict, Message: "the log stack is being removed", Hint: "apply it again when `slipway logstack show` finds none"}
	}
	return now, kube.Retry(ctx, func() error {
		now = &slipway.LogStack{ObjectMeta: metav1.ObjectMeta{Name: slipway.LogStackName}}
		err := l.reader.Get(ctx, client.ObjectKeyFromObject(now), now)
		now.Spec = spec
		if apierrors.IsNotFound(err) {
			return l.client.Create(ctx, now)
		}
		if err != nil {
			return err
		}
		return l.client.Update(ctx, now)
	})
}

// Get the stack.
func (l logStacks) Get(ctx context.Context) (*slipway.LogStack, error) {
	now := &slipway.LogStack{}
	return now, l.reader.Get(ctx, client.ObjectKey{Name: slipway.LogStackName}, now)
}

// Remove the stack; with its data, also what a stack that is gone already left.
func (l logStacks) Remove(ctx context.Context, data bool) error {
	now, err := l.Get(ctx)
	if apierrors.IsNotFound(err) && data {
		_, err := l.stack.RemoveData(ctx)
		if errors.Is(err, stack.ErrNotOurs) {
			return &api.Error{Status: http.StatusConflict, Message: err.Error()}
		}
		return err
	}
	if err != nil {
		return err
	}
	if data && now.Annotations[stack.AnnotationRemoveData] != "true" {
		old := now.DeepCopy()
		now.Annotations = map[string]string{stack.AnnotationRemoveData: "true"}
		for k, v := range old.Annotations {
			if k != stack.AnnotationRemoveData {
				now.Annotations[k] = v
			}
		}
		if err := l.client.Patch(ctx, now, client.MergeFrom(old)); err != nil {
			return err
		}
	}
	return l.client.Delete(ctx, now)
}
