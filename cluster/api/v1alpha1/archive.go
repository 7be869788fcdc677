package v1alpha1

// AnnotationArchived marks a Run that is on its way from etcd to the archive of runs
// ("leaving") or back ("returning"). Who sees it deleted with the mark has seen it move.
const AnnotationArchived = "slipway.dev/archived"
