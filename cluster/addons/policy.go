package addons

import (
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/pki"
)

// policies refuse, in every namespace, what roles alone can not: pods that read Secrets
// of the pipelines or act as the deployer, and runs in another's name.
func policies() []client.Object {
	var out []client.Object
	for _, p := range []*admissionv1.ValidatingAdmissionPolicy{podPolicy(), secretPolicy(), runPolicy(), promotionPolicy(), approvalPolicy(), forkPolicy()} {
		out = append(out, p, &admissionv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: p.Name},
			Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: p.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			},
		})
	}
	return out
}

const isServer = `request.userInfo.username == "` + pki.ServerUser + `"`

// spares is true of a pod that is given no Secret whose name has the prefix.
func spares(prefix string) string {
	return strings.ReplaceAll(`variables.containers.all(c,
  (!has(c.env) || c.env.all(e, !has(e.valueFrom) || !has(e.valueFrom.secretKeyRef) || !e.valueFrom.secretKeyRef.name.startsWith(PREFIX))) &&
  (!has(c.envFrom) || c.envFrom.all(e, !has(e.secretRef) || !e.secretRef.name.startsWith(PREFIX)))) &&
(!has(variables.spec.imagePullSecrets) || variables.spec.imagePullSecrets.all(s, !has(s.name) || !s.name.startsWith(PREFIX))) &&
(!has(variables.spec.volumes) || variables.spec.volumes.all(v,
  (!has(v.secret) || !has(v.secret.secretName) || !v.secret.secretName.startsWith(PREFIX)) &&
  (!has(v.csi) || !has(v.csi.nodePublishSecretRef) || !v.csi.nodePublishSecretRef.name.startsWith(PREFIX)) &&
  (!has(v.flexVolume) || !has(v.flexVolume.secretRef) || !v.flexVolume.secretRef.name.startsWith(PREFIX)) &&
  (!has(v.projected) || !has(v.projected.sources) || v.projected.sources.all(s, !has(s.secret) || !s.secret.name.startsWith(PREFIX)))))`,
		"PREFIX", fmt.Sprintf("%q", prefix))
}

// podPolicy is about pods and about what makes them, so that the refusal is seen where
// it is applied and not only in an event.
func podPolicy() *admissionv1.ValidatingAdmissionPolicy {
	p := policy("slipway-pods",
		rules("", "v1", "pods", "pods/ephemeralcontainers", "podtemplates", "replicationcontrollers"),
		rules("apps", "v1", "deployments", "statefulsets", "daemonsets", "replicasets"),
		rules("batch", "v1", "jobs", "cronjobs"))
	p.Spec.MatchConditions = []admissionv1.MatchCondition{{
		Name: "something-new", Expression: `request.operation == "CREATE" || request.kind.kind == "PodTemplate" || object.spec != oldObject.spec`,
	}}
	p.Spec.Variables = []admissionv1.Variable{
		{Name: "spec", Expression: `object.kind == "Pod" ? object.spec :
object.kind == "PodTemplate" ? object.template.spec :
object.kind == "CronJob" ? object.spec.jobTemplate.spec.template.spec : object.spec.template.spec`},
		{Name: "containers", Expression: `variables.spec.containers +
(has(variables.spec.initContainers) ? variables.spec.initContainers : []) +
(has(variables.spec.ephemeralContainers) ? variables.spec.ephemeralContainers : [])`},
	}
	p.Spec.Validations = []admissionv1.Validation{
		refuse(spares(v1alpha1.VariableSecretPrefix),
			"Secrets named "+v1alpha1.VariableSecretPrefix+"* hold CI variables, which reach jobs only; make a Secret of your own for the pod"),
		refuse(isServer+" || ("+spares(v1alpha1.JobSecretPrefix)+")",
			"Secrets named "+v1alpha1.JobSecretPrefix+"* belong to running jobs; make a Secret of your own for the pod"),
		refuse(fmt.Sprintf("!has(variables.spec.serviceAccountName) || variables.spec.serviceAccountName != %q", v1alpha1.DeployerServiceAccount),
			"no pod runs as "+v1alpha1.DeployerServiceAccount+"; name another service account"),
	}
	return p
}

// secretPolicy keeps what manifests say away from the pipelines' Secrets, and from
// tokens of service accounts.
func secretPolicy() *admissionv1.ValidatingAdmissionPolicy {
	p := policy("slipway-secrets", rules("", "v1", "secrets"))
	p.Spec.MatchConstraints.ResourceRules[0].Operations = append(p.Spec.MatchConstraints.ResourceRules[0].Operations, admissionv1.Delete)
	p.Spec.MatchConditions = []admissionv1.MatchCondition{{
		// An application may name another account of its namespace than the deployer.
		Name: "by-a-deployer",
		Expression: fmt.Sprintf(`request.userInfo.username.startsWith("system:serviceaccount:") && (request.userInfo.username.endsWith(%q) ||
(request.namespace != %q && request.userInfo.username.startsWith("system:serviceaccount:" + request.namespace + ":")))`,
			":"+v1alpha1.DeployerServiceAccount, "kube-system"),
	}}
	for _, prefix := range []string{v1alpha1.VariableSecretPrefix, v1alpha1.JobSecretPrefix} {
		p.Spec.Validations = append(p.Spec.Validations, refuse(
			fmt.Sprintf(`!request.name.startsWith(%[1]q) && (request.operation == "DELETE" || (!(has(object.metadata.name) && object.metadata.name.startsWith(%[1]q)) && !(has(object.metadata.generateName) && object.metadata.generateName.startsWith(%[1]q))))`, prefix),
			"names that begin with "+prefix+" are the pipelines'; give the Secret another"))
	}
	p.Spec.Validations = append(p.Spec.Validations, refuse(
		`request.operation == "DELETE" || !has(object.type) || object.type != "kubernetes.io/service-account-token"`,
		"manifests can not ask for tokens of service accounts; a pod has one with automountServiceAccountToken"))
	return p
}

// runPolicy: nobody but the server says who else started a run, or did something to it.
func runPolicy() *admissionv1.ValidatingAdmissionPolicy {
	p := policy("slipway-runs", rules(v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "runs", "schedules"))
	p.Spec.MatchConditions = []admissionv1.MatchCondition{{Name: "not-the-server", Expression: "!(" + isServer + ")"}}
	p.Spec.Validations = []admissionv1.Validation{
		refuse(`request.operation == "CREATE" ? has(object.spec.by) && object.spec.by == request.userInfo.username :
has(object.spec.by) == has(oldObject.spec.by) && (!has(object.spec.by) || object.spec.by == oldObject.spec.by)`,
			"spec.by must be the user who makes it, and stays; start runs with slipway run start"),
		refuse(`!has(object.spec.actions) || object.spec.actions.all(a,
  (request.operation == "UPDATE" && has(oldObject.spec.actions) && a in oldObject.spec.actions) || (has(a.by) && a.by == request.userInfo.username))`,
			"by of an action must be the user who takes it; use slipway run play and its like"),
	}
	return p
}

func refuse(unless, message string) admissionv1.Validation {
	return admissionv1.Validation{Expression: unless, Message: message, Reason: ptr.To(metav1.StatusReasonForbidden)}
}

func policy(name string, resources ...admissionv1.NamedRuleWithOperations) *admissionv1.ValidatingAdmissionPolicy {
	return &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    ptr.To(admissionv1.Fail),
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: resources},
		},
	}
}

func rules(group, version string, resources ...string) admissionv1.NamedRuleWithOperations {
	return admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{version}, Resources: resources},
	}}
}
