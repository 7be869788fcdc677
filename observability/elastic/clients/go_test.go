package clients

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esutil"
	"github.com/elastic/go-elasticsearch/v8/typedapi/core/search"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types/enums/sortorder"

	"slipway.dev/observability/elastic"
)

// TestGoClient has the real client write with its bulk indexer and read with its typed API.
func TestGoClient(t *testing.T) {
	s := serve(t)
	conf := elasticsearch.Config{Addresses: []string{s.URL + "/elastic"}, CompressRequestBody: true}
	es, err := elasticsearch.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	typed, err := elasticsearch.NewTypedClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for name, put := range map[string]func() (bool, error){
		"policy": func() (bool, error) {
			r, err := es.ILM.PutLifecycle("logs-14d", es.ILM.PutLifecycle.WithBody(strings.NewReader(`{"policy":{"phases":{"hot":{"actions":{}},"delete":{"min_age":"14d","actions":{"delete":{}}}}}}`)))
			return err == nil && !r.IsError(), err
		},
		"component": func() (bool, error) {
			r, err := es.Cluster.PutComponentTemplate("logs-fields", strings.NewReader(`{"template":{"mappings":{"properties":{"user":{"type":"keyword"},"took":{"type":"double"}}}}}`))
			return err == nil && !r.IsError(), err
		},
	} {
		if ok, err := put(); !ok {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if r, err := es.Indices.PutIndexTemplate("logs-shop", strings.NewReader(`{"index_patterns":["logs-shop-*"],"data_stream":{},"composed_of":["logs-fields"],"priority":200}`)); err != nil || r.IsError() {
		t.Fatal(r, err)
	}
	if r, err := es.Indices.CreateDataStream("logs-shop-default"); err != nil || r.IsError() {
		t.Fatal(r, err)
	}
	if r, err := es.Indices.CreateDataStream("logs-shop-default"); err != nil || r.StatusCode != 400 {
		t.Fatal("a data stream is made twice", r, err)
	}
	const n = 5000
	indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{Client: es, Index: "logs-shop-default", FlushBytes: 100_000, NumWorkers: 2})
	if err != nil {
		t.Fatal(err)
	}
	var failed atomic.Int64
	for i := range n {
		doc := fmt.Sprintf(`{"@timestamp":%q,"message":"line %d","level":"info","user":"u%d","took":%d}`, epoch.Add(time.Duration(i)*time.Second/10).Format(time.RFC3339Nano), i, i%5, i)
		err := indexer.Add(ctx, esutil.BulkIndexerItem{Action: "create", Body: bytes.NewReader([]byte(doc)),
			OnFailure: func(_ context.Context, _ esutil.BulkIndexerItem, r esutil.BulkIndexerResponseItem, err error) {
				failed.Add(1)
				t.Error(r.Error, err)
			}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := indexer.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if got := indexer.Stats(); got.NumFlushed != n || got.NumFailed != 0 || failed.Load() != 0 {
		t.Fatalf("bulk indexer: %+v", got)
	}
	s.store.Flush()

	size, interval := 3, "1m"
	resp, err := typed.Search().Index("logs-shop-*").Request(&search.Request{
		Size:  &size,
		Query: &types.Query{Bool: &types.BoolQuery{Must: []types.Query{{Match: map[string]types.MatchQuery{"message": {Query: "line"}}}}, Filter: []types.Query{{Term: map[string]types.TermQuery{"user": {Value: "u1"}}}}}},
		Sort:  []types.SortCombinations{types.SortOptions{SortOptions: map[string]types.FieldSort{"@timestamp": {Order: &sortorder.Desc}}}},
		Aggregations: map[string]types.Aggregations{
			"users": {Terms: &types.TermsAggregation{Field: ptr("user")}, Aggregations: map[string]types.Aggregations{"took": {Avg: &types.AverageAggregation{Field: ptr("took")}}}},
			"time":  {DateHistogram: &types.DateHistogramAggregation{Field: ptr("@timestamp"), FixedInterval: interval}},
		},
	}).TrackTotalHits(true).Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Hits.Total.Value != n/5 || len(resp.Hits.Hits) != 3 || !strings.Contains(string(resp.Hits.Hits[0].Source_), "line 4996") {
		t.Errorf("hits: %+v", resp.Hits)
	}
	users, ok := resp.Aggregations["users"].(*types.StringTermsAggregate)
	if !ok {
		t.Fatalf("users: %T", resp.Aggregations["users"])
	}
	if b := users.Buckets.([]types.StringTermsBucket); len(b) != 1 || b[0].Key != "u1" || float64(*b[0].Aggregations["took"].(*types.AvgAggregate).Value) != 2498.5 {
		t.Errorf("users: %+v", b)
	}
	times, ok := resp.Aggregations["time"].(*types.DateHistogramAggregate)
	if !ok || len(times.Buckets.([]types.DateHistogramBucket)) != 9 {
		t.Errorf("time: %T %+v", resp.Aggregations["time"], resp.Aggregations["time"])
	}
	count, err := typed.Count().Index("logs-shop-default").Query(&types.Query{QueryString: &types.QueryStringQuery{Query: "user:u2 AND took:[0 TO 100]"}}).Do(ctx)
	if err != nil || count.Count != 20 {
		t.Errorf("count: %+v %v", count, err)
	}
	caps, err := typed.FieldCaps().Index("logs-shop-default").Fields("*").Do(ctx)
	if err != nil || caps.Fields["user"]["keyword"].Aggregatable != true || caps.Fields["took"]["double"].Type != "double" {
		t.Errorf("field_caps: %+v %v", caps, err)
	}
	maps, err := typed.Indices.GetMapping().Index("logs-shop-default").Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	props := maps["logs-shop-default"].Mappings.Properties
	if _, ok := props["@timestamp"].(*types.DateProperty); !ok {
		t.Errorf("mapping: %T", props["@timestamp"])
	}
	if _, ok := props["user"].(*types.KeywordProperty); !ok {
		t.Errorf("mapping: %T", props["user"])
	}
	cat, err := typed.Cat.Indices().Do(ctx)
	if err != nil || len(cat) != 1 || *cat[0].Index != "logs-shop-default" || *cat[0].DocsCount != "5000" {
		t.Errorf("cat: %+v %v", cat, err)
	}
	health, err := typed.Cluster.Health().Do(ctx)
	if err != nil || health.Status.String() != "green" {
		t.Errorf("health: %+v %v", health, err)
	}
	streams, err := typed.Indices.GetDataStream().Name("logs-*").Do(ctx)
	if err != nil || len(streams.DataStreams) != 1 || streams.DataStreams[0].Template != "logs-shop" {
		t.Errorf("data streams: %+v %v", streams, err)
	}
	tmpl, err := typed.Indices.GetIndexTemplate().Name("logs-shop").Do(ctx)
	if err != nil || len(tmpl.IndexTemplates) != 1 {
		t.Errorf("templates: %+v %v", tmpl, err)
	}
	policies, err := typed.Ilm.GetLifecycle().Policy("logs-14d").Do(ctx)
	if err != nil || policies["logs-14d"].Version != 1 {
		t.Errorf("policies: %+v %v", policies, err)
	}
	if _, err := typed.Ilm.DeleteLifecycle("logs-14d").Do(ctx); err != nil {
		t.Error(err)
	}
	if _, err := typed.Ilm.GetLifecycle().Policy("logs-14d").Do(ctx); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a policy that was deleted: %v", err)
	}
	info, err := typed.Info().Do(ctx)
	if err != nil || info.Version.Int != elastic.Version {
		t.Errorf("info: %+v %v", info, err)
	}
	many, err := es.Msearch(strings.NewReader("{\"index\":\"logs-shop-default\"}\n{\"size\":0,\"track_total_hits\":true}\n{}\n{\"query\":{\"fuzzy\":{\"a\":\"b\"}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(many.Body); err != nil || !strings.Contains(b.String(), `"value":5000`) || !strings.Contains(b.String(), "unsupported query [fuzzy]") {
		t.Errorf("msearch: %s %v", b.String(), err)
	}
}

func ptr[T any](v T) *T { return &v }
