// Package commitstatus owns what a forge (GitHub, GitLab, Gitea, Forgejo, Bitbucket) is told of a
// run: the status of its commit.
//
// It follows Runs and changes nothing about them but status.reported, so that no run ever
// waits for a forge. What should be said follows from the Run alone (Of); what was said
// is kept on it. A restart therefore repeats nothing and forgets nothing, and a kill
// between the forge's answer and the note of it repeats one request, which all forges take.
// It never chooses which addresses may be dialled: the HTTP client that it is given does.
//
// It asks a forge for one thing only: whether a merge request is still open.
//
// Start at Reporter.Reconcile; target.go knows where, request.go how each forge is asked,
// answer.go what its answer means, gate.go when to try again.
package commitstatus
