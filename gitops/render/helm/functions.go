package helm

import (
	"cmp"
	"slices"
	"text/template"
	"time"

	"slipway.dev/gitops/render"
)

// functions replace those of Helm whose result is different each time.
func functions(t *render.Tree, r *random, now time.Time) template.FuncMap {
	clock := func() time.Time { t.SawClock(render.ClockExact); return now.UTC() }
	certs := certificates{random: r, now: func() time.Time {
		t.SawClock(render.ClockMonth)
		return time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	}}
	return template.FuncMap{
		markName: r.template,

		"now":            clock,
		"ago":            func(v any) string { return clock().Sub(moment(v, clock)).Round(time.Second).String() },
		"date":           func(layout string, v any) string { return moment(v, clock).UTC().Format(layout) },
		"htmlDate":       func(v any) string { return moment(v, clock).UTC().Format(time.DateOnly) },
		"dateInZone":     inZone(clock),
		"date_in_zone":   inZone(clock),
		"htmlDateInZone": func(v any, zone string) string { return inZone(clock)(time.DateOnly, v, zone) },

		"randInt": r.number,
		"shuffle": r.shuffle,

		"genPrivateKey":            certs.privateKey,
		"buildCustomCert":          certs.custom,
		"genCA":                    certs.ca,
		"genCAWithKey":             certs.caWithKey,
		"genSelfSignedCert":        certs.selfSigned,
		"genSelfSignedCertWithKey": certs.selfSignedWithKey,
		"genSignedCert":            certs.signed,
		"genSignedCertWithKey":     certs.signedWithKey,

		"keys":   keys,
		"values": sortedValues,
	}
}

// moment is the time that a value means, as for Helm; what means none is now.
func moment(v any, now func() time.Time) time.Time {
	switch v := v.(type) {
	case time.Time:
		return v
	case *time.Time:
		if v != nil {
			return *v
		}
	case int64:
		return time.Unix(v, 0)
	case int:
		return time.Unix(int64(v), 0)
	case int32:
		return time.Unix(int64(v), 0)
	}
	return now()
}

func inZone(now func() time.Time) func(layout string, v any, zone string) string {
	return func(layout string, v any, zone string) string {
		place, err := time.LoadLocation(cmp.Or(zone, "UTC"))
		if err != nil || zone == "Local" {
			place = time.UTC
		}
		return moment(v, now).In(place).Format(layout)
	}
}

// keys of all mappings, sorted: Helm gives them in no order.
func keys(dicts ...map[string]any) []string {
	out := []string{}
	for _, d := range dicts {
		first := len(out)
		for k := range d {
			out = append(out, k)
		}
		slices.Sort(out[first:])
	}
	return out
}

// sortedValues of a mapping, in the order of its keys.
func sortedValues(dict map[string]any) []any {
	out := []any{}
	for _, k := range keys(dict) {
		out = append(out, dict[k])
	}
	return out
}
