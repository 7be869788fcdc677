package addons

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

// mayDecide is true of those who may approve: what others asked for does not bind them.
const mayDecide = `authorizer.group("slipway.dev").resource("%s").namespace(request.namespace).check("approve").allowed()`

// byKubernetes is true of its own controllers, which remove what nobody owns any more.
const byKubernetes = `request.userInfo.username.startsWith("system:serviceaccount:kube-system:")`

// promotionPolicy: nobody but the server says who asks for a promotion.
func promotionPolicy() *admissionv1.ValidatingAdmissionPolicy {
	p := policy("slipway-promotions", rules(v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "promotions"))
	p.Spec.MatchConditions = []admissionv1.MatchCondition{{Name: "not-the-server", Expression: "!(" + isServer + ")"}}
	p.Spec.Validations = []admissionv1.Validation{refuse(
		`request.operation != "CREATE" || (has(object.spec.by) && object.spec.by == request.userInfo.username)`,
		"spec.by must be the user who asks; use slipway app promote")}
	return p
}

// approvalPolicy: what an application is promoted to only with approvals is changed
// around them by nobody but those who may give them.
func approvalPolicy() *admissionv1.ValidatingAdmissionPolicy {
	r := rules(v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "applications")
	r.Operations = []admissionv1.OperationType{admissionv1.Update, admissionv1.Delete}
	p := policy("slipway-approvals", r)
	p.Spec.MatchConditions = []admissionv1.MatchCondition{
		{Name: "not-the-server", Expression: "!(" + isServer + ") && !(" + byKubernetes + ")"},
		{Name: "asks-for-approvals", Expression: "has(oldObject.spec.promotion) && has(oldObject.spec.promotion.approvals) && oldObject.spec.promotion.approvals > 0"},
	}
	same := func(field string) string {
		return fmt.Sprintf("has(object.spec.%[1]s) == has(oldObject.spec.%[1]s) && (!has(object.spec.%[1]s) || object.spec.%[1]s == oldObject.spec.%[1]s)", field)
	}
	p.Spec.Validations = []admissionv1.Validation{refuse(
		fmt.Sprintf(mayDecide, "promotions")+` || (request.operation == "UPDATE" && `+same("promotion")+" && "+same("desired")+" && "+same("source")+" && "+same("sync")+")",
		"this application is released to by approved promotions only: its promotion, desired, source and sync are for those to change, and it is for those to delete, who may approve promotions")}
	return p
}

// forkPolicy: files of strangers are not shown because a developer says so.
func forkPolicy() *admissionv1.ValidatingAdmissionPolicy {
	p := policy("slipway-forks", rules(v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "applicationsets"))
	p.Spec.MatchConditions = []admissionv1.MatchCondition{
		{Name: "not-the-server", Expression: "!(" + isServer + ")"},
		{Name: "lets-forks-in", Expression: `object.spec.generators.exists(g, has(g.mergeRequests) && has(g.mergeRequests.forks) && g.mergeRequests.forks != "never") && (request.operation == "CREATE" || object.spec != oldObject.spec)`},
	}
	p.Spec.Validations = []admissionv1.Validation{refuse(fmt.Sprintf(mayDecide, "applicationsets"),
		"mergeRequests.forks other than never is for those who may approve applicationsets")}
	return p
}
