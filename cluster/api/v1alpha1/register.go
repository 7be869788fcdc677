package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is slipway.dev/v1alpha1.
var GroupVersion = schema.GroupVersion{Group: "slipway.dev", Version: "v1alpha1"}

// AddToScheme registers every kind of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Repository{}, &RepositoryList{},
		&Run{}, &RunList{},
		&Application{}, &ApplicationList{},
		&Release{}, &ReleaseList{},
		&Schedule{}, &ScheduleList{},
		&Environment{}, &EnvironmentList{},
		&Promotion{}, &PromotionList{},
		&ApplicationSet{}, &ApplicationSetList{},
		&LogStack{}, &LogStackList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}

// Labels that Slipway sets on the objects it makes. Each value is an object name.
const (
	LabelRepository  = "slipway.dev/repository"
	LabelRun         = "slipway.dev/run"
	LabelJob         = "slipway.dev/job"
	LabelAttempt     = "slipway.dev/attempt"
	LabelApplication = "slipway.dev/application"
	LabelRelease     = "slipway.dev/release"
	// LabelRootRun is the first of the runs that led to one.
	LabelRootRun = "slipway.dev/root-run"
	// LabelTenant marks a namespace as a tenant's; its value is "true".
	LabelTenant = "slipway.dev/tenant"
	// LabelVariable marks a Secret as a CI variable; its value is "true". Its key
	// "value" is the value; the annotations below say the rest.
	LabelVariable = "slipway.dev/ci-variable"
)

// Annotations of a CI variable's Secret (LabelVariable). With LabelRepository it is that
// repository's, without it the namespace's.
const (
	// AnnotationVariable is the variable's name.
	AnnotationVariable = "slipway.dev/variable"
	// AnnotationEnvironment is a pattern of environment names; absent: every job.
	AnnotationEnvironment = "slipway.dev/environment-scope"
	// AnnotationBranch is a pattern of branch and tag names; absent: every ref.
	AnnotationBranch = "slipway.dev/branch-scope"
	// AnnotationFlags is a comma-separated list of: protected, visible, raw, file.
	AnnotationFlags = "slipway.dev/variable-flags"
)

// AnnotationHost of a Secret with credentials names the one host they may be sent to.
const AnnotationHost = "slipway.dev/host"

// RegistryHost is the one registry name, in manifests and pipelines, for ever.
const RegistryHost = "registry.slipway.internal"

// SystemNamespace holds Slipway's own objects (tokens, addons); never a tenant's.
const SystemNamespace = "slipway-system"

// Names of the Secrets of pipelines begin with these: CI variables, and what one attempt
// of a job is given. No pod of a user reads them.
const (
	VariableSecretPrefix = "ci-variable-"
	JobSecretPrefix      = "ci-job-"
)

// DeployerServiceAccount is impersonated, in a tenant's namespace, to apply what a user wrote.
const DeployerServiceAccount = "slipway-deployer"
