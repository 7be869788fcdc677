package health

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"slipway.dev/cluster/api/v1alpha1"
)

const (
	maxChecks     = 64
	maxExpression = 2048
	// maxCost of one expression: what the apiserver gives those of a CRD.
	maxCost = 1_000_000
	// maxTime bounds it in another way, for a machine that is busy.
	maxTime = time.Second
	// maxMessage of a message expression in bytes.
	maxMessage = 500
)

// check is the compiled health check of one kind.
type check struct{ healthy, progressing, failed, message cel.Program }

// environment knows the object as self and the parts of it by name.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		ext.Strings(), ext.Sets(), cel.OptionalTypes(),
		cel.ParserRecursionLimit(64), cel.ParserExpressionSizeLimit(maxExpression),
	}
	for _, name := range []string{"self", "metadata", "spec", "status", "data"} {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	return cel.NewEnv(options...)
})

// Compile compiles the checks of an application. An error names the check, the
// expression and the place in it.
func Compile(checks []v1alpha1.HealthCheck) (*Checks, error) {
	if len(checks) == 0 {
		return nil, nil
	}
	if len(checks) > maxChecks {
		return nil, fmt.Errorf("healthChecks: %d are given; at most %d are possible", len(checks), maxChecks)
	}
	out := &Checks{byKind: map[schema.GroupKind]*check{}}
	for i, c := range checks {
		kind := schema.GroupKind{Group: c.Group, Kind: c.Kind}
		if out.byKind[kind] != nil {
			return nil, fmt.Errorf("healthChecks[%d]: %s has a check already; put both into one", i, kind)
		}
		if c.Healthy == "" {
			return nil, fmt.Errorf("healthChecks[%d].healthy: missing; say when a %s is healthy", i, c.Kind)
		}
		k := &check{}
		for _, e := range []struct {
			field, text string
			to          *cel.Program
			kind        *cel.Type
		}{
			{"healthy", c.Healthy, &k.healthy, cel.BoolType}, {"progressing", c.Progressing, &k.progressing, cel.BoolType},
			{"failed", c.Failed, &k.failed, cel.BoolType}, {"message", c.Message, &k.message, cel.StringType},
		} {
			if e.text == "" {
				continue
			}
			program, err := compile(e.text, e.kind)
			if err != nil {
				return nil, fmt.Errorf("healthChecks[%d].%s: %w", i, e.field, err)
			}
			*e.to = program
		}
		out.byKind[kind] = k
	}
	return out, nil
}

func compile(text string, want *cel.Type) (cel.Program, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		e := issues.Errors()[0]
		return nil, fmt.Errorf("line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, e.Message)
	}
	if got := ast.OutputType(); !got.IsExactType(want) && !got.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("gives a %s; want a %s", got, want)
	}
	return env.Program(ast, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))
}

func (c *check) eval(live *unstructured.Unstructured) (health, message string) {
	vars := map[string]any{"self": live.Object}
	for _, name := range []string{"metadata", "spec", "status", "data"} {
		part, ok := live.Object[name].(map[string]any)
		if !ok {
			part = map[string]any{}
		}
		vars[name] = part
	}
	health, fault := InProgress, error(nil)
	for _, e := range []struct {
		program cel.Program
		health  string
	}{{c.failed, Failed}, {c.progressing, InProgress}, {c.healthy, Current}} {
		value, err := evaluate(e.program, vars)
		if err != nil {
			fault = err
			continue
		}
		if holds, ok := value.(bool); ok && holds {
			health, fault = e.health, nil
			message = strings.ToLower(live.GetKind()) + " is " + map[string]string{
				Failed: "failed", InProgress: "progressing", Current: "healthy"}[e.health] + " by its health check"
			break
		}
	}
	if said, err := evaluate(c.message, vars); err == nil {
		if s, ok := said.(string); ok && s != "" {
			if len(s) > maxMessage {
				s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
			}
			return health, s
		}
	}
	switch {
	case fault != nil:
		message = "health check: " + fault.Error()
	case message == "":
		message = "no expression of its health check holds yet"
	}
	return health, message
}

// evaluate gives the value, or nil where there is no expression.
func evaluate(program cel.Program, vars map[string]any) (any, error) {
	if program == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	defer cancel()
	value, _, err := program.ContextEval(ctx, vars)
	if err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	return native(value), nil
}

// native is a bool or string as Go has it; anything else is none of them.
func native(value ref.Val) any {
	if v, err := value.ConvertToNative(reflect.TypeFor[*structpb.Value]()); err == nil {
		return v.(*structpb.Value).AsInterface()
	}
	return nil
}
