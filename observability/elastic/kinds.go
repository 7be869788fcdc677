package elastic

import (
	"context"
	"strings"

	"slipway.dev/observability/logs"
)

// sampleRows is how many of the newest rows tell the kinds of an index' fields.
const sampleRows = 1000

// fieldKinds are the fields of a scope with their kinds: what templates say, else what
// the newest documents had.
func (h *Handler) fieldKinds(ctx context.Context, s scope, names string) (map[string]string, error) {
	kinds := map[string]string{timeName: kindDate}
	rows, err := h.table(ctx, s, s.filter.String()+" | field_names")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		name := row["name"]
		if hidden(name) || row["hits"] == "0" {
			continue
		}
		name = shown(name)
		kinds[name] = kindText
		if labels[name] {
			kinds[name] = kindKeyword
		}
	}
	seen, err := h.sample(ctx, s)
	if err != nil {
		return nil, err
	}
	for name, kind := range seen {
		if kinds[name] != "" && kinds[name] != kindKeyword {
			kinds[name] = kind
		}
	}
	for name, kind := range h.objects.mapped(s.access, names) {
		if name != timeName {
			kinds[name] = kind
		}
	}
	return kinds, nil
}

// sample learns from the notes of the newest rows. A field that was a number here and a
// string there is a text.
func (h *Handler) sample(ctx context.Context, s scope) (map[string]string, error) {
	text := and(s.filter, leaf(typesField+":*")).String() + " | sort by (_time) desc limit " + itoa(sampleRows)
	seen := map[string]string{}
	notes := map[string]map[string]byte{}
	err := h.Store.Select(ctx, s.selection(text), func(fields []logs.Field) {
		note := ""
		for _, f := range fields {
			if f.Name == typesField {
				note = f.Value
			}
		}
		of, ok := notes[note]
		if !ok {
			of = kindsOf(note)
			notes[strings.Clone(note)] = of
		}
		for _, f := range fields {
			name := shown(f.Name)
			if hidden(f.Name) {
				continue
			}
			kind := kindText
			switch of[name] {
			case wasNumber:
				kind = kindLong
				if strings.ContainsAny(f.Value, ".eE") {
					kind = kindDouble
				}
			case wasBoolean:
				kind = kindBoolean
			}
			old, known := seen[name]
			switch {
			case !known || old == kind:
			case (old == kindLong && kind == kindDouble) || (old == kindDouble && kind == kindLong):
				kind = kindDouble
			default:
				kind = kindText
			}
			if !known {
				name = strings.Clone(name)
			}
			seen[name] = kind
		}
	})
	return seen, err
}
