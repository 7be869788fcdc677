package elastic

import "time"

// Lucene turns a query string of Elasticsearch's (words, "phrases", field:value, AND, OR,
// NOT) into a filter of LogsQL, for those who search without the API.
func Lucene(s string) (string, error) {
	c := &compiler{now: time.Now()}
	e, err := c.lucene(s, nil, false, time.UTC)
	return e.String(), err
}
