// Package elastic owns the part of Elasticsearch's HTTP API that log clients use, over
// the embedded log store: bulk writing, templates, data streams, lifecycle policies,
// search with the query language and aggregations, counts, mappings and the few answers
// about a cluster that clients ask before they begin.
//
// It never decides who may read or write: each request comes with an Access that the
// front door made, every query is confined to its namespaces and every document goes to
// one of them. What is not supported is refused by name in Elasticsearch's error shape,
// never answered with less than was asked. Documents are appended: none is changed or
// deleted before its time.
//
// Start at Handler; translate.go turns the query language into LogsQL, bulk.go takes
// documents in, aggregate.go runs aggregations.
package elastic
