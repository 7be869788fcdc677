package hook

import "slipway.dev/cluster/text"

// parseGeneric reads {"ref":"refs/heads/main"}; an empty body will do, as the repository
// is looked at whatever it says.
func parseGeneric(_ string, body []byte) (Event, error) {
	var b struct {
		Ref string `json:"ref"`
	}
	e := Event{Name: Push, Kind: Push}
	if len(body) > 0 {
		if err := decode(body, &b); err != nil {
			return e, err
		}
	}
	if b.Ref != "" {
		e.Refs = []Ref{{Name: text.Clip(b.Ref, 250)}}
	}
	return e, nil
}
