// Package daemon owns the composition of `slipway server`: it boots the cluster,
// starts the controllers of every job, and opens the front door over them, each
// through what that part exports. It holds no logic of any part; adapters turn
// what one part offers into the small interface that another declares.
//
// Start at Run, which is the boot in order.
package daemon
