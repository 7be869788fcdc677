// Package gitlab owns the reading of .gitlab-ci.yml: it compiles a file to a
// plan.Plan for one commit, or says all that is wrong with it and where. It never
// runs anything, reads no other file, and ignores nothing silently: what GitLab
// documents and Slipway does not do yet is refused by name.
//
// The way through it: yaml.go turns bytes into values with positions, load.go merges
// what is included, extends.go templates, reference.go fills in references, job.go
// reads one job, rules.go and expr.go decide whether it is in the pipeline, edges.go
// turns stages and needs into edges. Start at Compile.
package gitlab
