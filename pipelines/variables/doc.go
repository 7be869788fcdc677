// Package variables owns the CI variables of repositories and namespaces: where they
// are kept (one Secret each, encrypted at rest by the apiserver), which of them an
// attempt gets, and what of them its log must not show.
//
// It never gives a value back to whom it was taken from: List tells names, scopes and
// flags; values go to Values alone, which the server asks for a running attempt.
//
// Start at Store.
package variables
