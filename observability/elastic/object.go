package elastic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxDepth is how deep the JSON of a request may go.
	maxDepth = 30
	// maxClauses is how many clauses a query may have, as indices.query.bool.max_clause_count.
	maxClauses = 1024
)

// decode reads one JSON value of a request, numbers as they are written.
func decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, parsing("request body: %s", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, parsing("request body: something follows the JSON value")
	}
	return v, depth(v, 0)
}

func depth(v any, at int) error {
	if at > maxDepth {
		return parsing("request body: nested deeper than %d levels", maxDepth)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, c := range v {
			if err := depth(c, at+1); err != nil {
				return err
			}
		}
	case []any:
		for _, c := range v {
			if err := depth(c, at+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// object is a JSON object whose members are taken one by one. The first thing that is
// wrong with it, a member that nobody took included, is what done says.
type object struct {
	where string
	m     map[string]any
	err   error
}

func asObject(where string, v any) *object {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return &object{where: where, err: parsing("[%s]: want an object", where)}
	}
	return &object{where: where, m: maps.Clone(m)}
}

func (o *object) take(key string) any {
	v := o.m[key]
	delete(o.m, key)
	return v
}

func (o *object) has(key string) bool { _, ok := o.m[key]; return ok }

// ignore takes members that change nothing here.
func (o *object) ignore(keys ...string) {
	for _, k := range keys {
		delete(o.m, k)
	}
}

func (o *object) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

func (o *object) str(key, otherwise string) string {
	switch v := o.take(key).(type) {
	case nil:
		return otherwise
	case string:
		return v
	case json.Number, bool:
		return fmt.Sprint(v)
	}
	o.fail(parsing("[%s] %s: want a string", o.where, key))
	return otherwise
}

// num reads a whole number, also one in quotes, as Grafana sends some.
func (o *object) num(key string, otherwise int) int {
	v := o.take(key)
	if v == nil {
		return otherwise
	}
	f, ok := number(v)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		o.fail(parsing("[%s] %s: want a whole number", o.where, key))
		return otherwise
	}
	return int(f)
}

func (o *object) boolean(key string, otherwise bool) bool {
	switch v := o.take(key).(type) {
	case nil:
		return otherwise
	case bool:
		return v
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b
		}
	}
	o.fail(parsing("[%s] %s: want true or false", o.where, key))
	return otherwise
}

// list reads an array, or one value as an array of one.
func (o *object) list(key string) []any {
	switch v := o.take(key).(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func (o *object) strings(key string) []string {
	var all []string
	for _, v := range o.list(key) {
		s, ok := v.(string)
		if !ok {
			o.fail(parsing("[%s] %s: want strings", o.where, key))
			return nil
		}
		all = append(all, s)
	}
	return all
}

// only returns the one member of an object such as {"field": …}.
func (o *object) only() (key string, v any) {
	if len(o.m) != 1 {
		o.fail(parsing("[%s]: want exactly one field, found %d", o.where, len(o.m)))
		return "", nil
	}
	for key, v = range o.m {
	}
	delete(o.m, key)
	return key, v
}

// done returns what was wrong.
func (o *object) done() error {
	if o.err == nil && len(o.m) > 0 {
		return unsupported("[%s] %s", o.where, strings.Join(slices.Sorted(maps.Keys(o.m)), ", "))
	}
	return o.err
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	case float64:
		return v, true
	}
	return 0, false
}

// text is a JSON scalar as it is stored.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
