// Package stack owns the Fluentd, Elasticsearch, Logstash and Kibana of a LogStack: what
// objects they are, the certificates and passwords between them, that they stay as they
// should be, and how they are.
//
// It never runs an image that the administrator did not name, never reads a line, and
// never touches a namespace that is not its own. Who talks to the Elasticsearch, and who
// tells the log store to send its lines to the Fluentd, is passed in.
//
// Start at Render (which objects) and Controller (when).
package stack
