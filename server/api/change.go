package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// verbsOf are the fields of an Application's spec that verbs write, with who is to be asked.
var verbsOf = map[string]string{
	"desired": "sync", "retry": "sync", "resync": "sync", "confirmPrune": "sync --prune", "pin": "rollback", "pinnedBy": "rollback", "stop": "stop",
}

// changeApplication merges what is sent into the spec of an application (RFC 7386: null takes
// a field away). What could never be released, or is not for the user to change, is refused.
func (s *server) changeApplication(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Spec map[string]any `json:"spec"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if err := known(body.Spec); err != nil {
		return err
	}
	if len(body.Spec) == 0 {
		return refuse(http.StatusBadRequest, `such as {"spec":{"sync":"manual"}}`, "spec: nothing to change")
	}
	for field, verb := range verbsOf {
		if _, ok := body.Spec[field]; ok {
			return refuse(http.StatusBadRequest, "use `slipway app "+verb+"`", "spec.%s is not set by hand", field)
		}
	}
	before := &slipway.Application{}
	if err := s.read(r, before); err != nil {
		return err
	}
	// What was looked at is what is changed: nobody came in between.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": before.ResourceVersion}, "spec": body.Spec})
	if err != nil {
		return err
	}
	after, err := merged(before, patch)
	if err != nil {
		return refuse(http.StatusBadRequest, "send fields as the API reference has them", "spec: %v", err)
	}
	if err := apply.Validate(&after.Spec); err != nil {
		return refuse(http.StatusBadRequest, "", "%v", err)
	}
	if err := s.checkApplication(r, after); err != nil {
		return err
	}
	if before.Spec.Promotion != nil && before.Spec.Promotion.Approvals > 0 && around(before, after) {
		if err := s.mayApprove(r, before, "change the promotion, source and sync of"); err != nil {
			return err
		}
	}
	if err := s.Writer.Patch(r.Context(), after, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, present(applications, after))
	return nil
}

// known refuses what a spec does not have.
func known(spec map[string]any) error {
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&slipway.ApplicationSpec{}); err != nil {
		return refuse(http.StatusBadRequest, "`slipway kubectl explain application.spec` lists the fields", "spec: %v", err)
	}
	return nil
}

// merged is an application with a patch.
func merged(app *slipway.Application, patch []byte) (*slipway.Application, error) {
	text, err := json.Marshal(app)
	if err != nil {
		return nil, err
	}
	if text, err = jsonpatch.MergePatch(text, patch); err != nil {
		return nil, err
	}
	out := &slipway.Application{}
	return out, json.Unmarshal(text, out)
}

// around says whether a change goes around the approvals of promotions.
func around(a, b *slipway.Application) bool {
	return !reflect.DeepEqual(a.Spec.Promotion, b.Spec.Promotion) || !reflect.DeepEqual(a.Spec.Source, b.Spec.Source) || a.Spec.Sync != b.Spec.Sync
}

// mayApprove refuses those who may not approve promotions to an application.
func (s *server) mayApprove(r *http.Request, app *slipway.Application, what string) error {
	u, _ := UserFrom(r.Context())
	ok, err := s.Authorizer.Allowed(r.Context(), u, "approve", "promotions", app.Namespace, app.Name)
	if err == nil && !ok {
		return refuse(http.StatusForbidden, "ask somebody who may approve promotions", "application %s: %s may not %s what is released to by approval only", app.Name, u.Name, what)
	}
	return err
}
