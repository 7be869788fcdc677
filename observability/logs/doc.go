// Package logs owns the way of a line from a container's file to a search: the
// collector on each node tails the files that the kubelet keeps, sends chunks
// of lines by the Fluentd forward protocol, and the store acknowledges a chunk
// when its own chunk log has it on disk; then the lines are searchable, also
// after their pod is gone.
//
// It never is the record of a pipeline job (that is the attempt's sealed file)
// and never decides who may read: a query is confined to the namespace that
// the caller was authorised for. Start at Collector for the node's side and at
// Store for the other.
package logs
