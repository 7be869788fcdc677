// Package generate owns the ApplicationSets: finding the directories, branches and
// merge requests of a repository, making one Application of each from a template, with
// a namespace of its own where it is a preview, and taking away what is left when it is
// gone.
//
// It never renders or applies anything, gives an application no rights beyond those of
// a preview, and takes nothing away because it could not see. Start at
// Controller.Reconcile in controller.go; items.go says what there is, template.go what
// is made of it.
package generate
