package sops

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// loadJSON reads one object in its order.
func loadJSON(data []byte) ([]object, *metadata, error) {
	r := jsonReader{Decoder: json.NewDecoder(bytes.NewReader(data))}
	r.UseNumber()
	v, err := r.value(0)
	if err != nil {
		return nil, nil, err
	}
	b, ok := v.(object)
	if !ok {
		return nil, nil, errors.New("the file is not a JSON object")
	}
	if r.More() {
		return nil, nil, errors.New("there is more after the JSON object")
	}
	return take([]object{b})
}

type jsonReader struct {
	*json.Decoder
	nodes int
}

func (r *jsonReader) value(depth int) (any, error) {
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		return nil, fmt.Errorf("more than %d values, or nested more than %d levels deep", maxNodes, maxDepth)
	}
	t, err := r.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return int(n), nil
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			return r.list(depth)
		}
		return r.object(depth)
	}
	return t, nil
}

func (r *jsonReader) list(depth int) (any, error) {
	l := &list{}
	for r.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, v)
	}
	_, err := r.Token()
	return l, err
}

func (r *jsonReader) object(depth int) (any, error) {
	b := object{}
	seen := map[string]bool{}
	for r.More() {
		t, err := r.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		if seen[key] {
			return nil, fmt.Errorf("key %.80q is given twice", key)
		}
		seen[key] = true
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		b = append(b, &pair{key, v})
	}
	_, err := r.Token()
	return b, err
}

func emitJSON(branches []object) ([]byte, error) {
	var b bytes.Buffer
	if err := writeJSON(&b, branches[0]); err != nil {
		return nil, err
	}
	return append(b.Bytes(), '\n'), nil
}

func writeJSON(b *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case object:
		b.WriteByte('{')
		for i, p := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, p.key); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := writeJSON(b, p.value); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	case *list:
		b.WriteByte('[')
		for i, item := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case []byte:
		return writeJSON(b, string(v))
	}
	text, err := json.Marshal(v)
	b.Write(text)
	return err
}

// emitBinary gives the bytes that were a file of another kind.
func emitBinary(branches []object) ([]byte, error) {
	for _, p := range branches[0] {
		if p.key != "data" {
			continue
		}
		switch v := p.value.(type) {
		case string:
			return []byte(v), nil
		case []byte:
			return v, nil
		}
	}
	return nil, errors.New("the file holds no binary data; SOPS keeps it under \"data\"")
}
