// Package health owns the question whether an object does what it should: kstatus,
// rules of our own for kinds that kstatus does not judge as people expect, and the CEL
// expressions of an Application for custom resources.
//
// It only looks at what it is given; it reads and watches nothing. An expression runs
// within a limit of cost, so that none can hold the server up. Start at Checks.Compute.
package health
