package elastic

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/valyala/fastjson"
)

func TestFilterPath(t *testing.T) {
	const answer = `{"took":3,"errors":true,"items":[{"create":{"_id":"a","status":201}},{"create":{"_id":"b","status":409,"error":{"type":"x"}}}],"hits":{"total":{"value":2},"hits":[{"_id":"a","_source":{"level":"info","http":{"status":200}}},{"_id":"b","_source":{"msg":"m"}}]}}`
	for paths, want := range map[string]string{
		"took":                                  `{"took":3}`,
		"errors,items.*.error,items.*.status":   `{"errors":true,"items":[{"create":{"status":201}},{"create":{"error":{"type":"x"},"status":409}}]}`,
		"hits.total.value,hits.hits._source.l*": `{"hits":{"hits":[{"_source":{"level":"info"}}],"total":{"value":2}}}`,
		"**.status":                             `{"hits":{"hits":[{"_source":{"http":{"status":200}}}]},"items":[{"create":{"status":201}},{"create":{"status":409}}]}`,
		"-hits,-items":                          `{"errors":true,"took":3}`,
		"hits.hits,-hits.hits._source.http":     `{"hits":{"hits":[{"_id":"a","_source":{"level":"info"}},{"_id":"b","_source":{"msg":"m"}}]}}`,
		"-**._source,-items,-took,-errors":      `{"hits":{"hits":[{"_id":"a"},{"_id":"b"}],"total":{"value":2}}}`,
		"none.such":                             `{}`,
		"[":                                     `{}`,
		"":                                      answer,
		"took.deeper":                           `{}`,
		"hits.**":                               `{"hits":{"hits":[{"_id":"a","_source":{"http":{"status":200},"level":"info"}},{"_id":"b","_source":{"msg":"m"}}],"total":{"value":2}}}`,
	} {
		f, err := filterPathsOf(paths)
		if err != nil {
			t.Fatal(err)
		}
		left := f.of(fastjson.MustParse(answer))
		var got, wanted any
		if err := errors.Join(json.Unmarshal(left, &got), json.Unmarshal([]byte(want), &wanted)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, wanted) {
			t.Errorf("%s: %s, want %s", paths, left, want)
		}
	}
	if _, err := filterPathsOf(strings.Repeat("a,", maxFilterPaths+1)); err == nil {
		t.Error("as many parts as one likes")
	}
}
