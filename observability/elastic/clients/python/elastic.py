# Elastic's own client for Python, as Debian has it (7.17), writes to the address of its
# argument and reads back.
import datetime, json, sys, time

from elasticsearch import Elasticsearch, helpers
from elasticsearch.exceptions import ConflictError, RequestError

es = Elasticsearch([sys.argv[1]], http_auth=("x", "token"), http_compress=True)
index = "logs-python-default"
out = {"version": es.info()["version"]["number"], "ping": es.ping()}
es.ilm.put_lifecycle("python", {"policy": {"phases": {"hot": {"actions": {"rollover": {"max_age": "1d"}}}, "delete": {"min_age": "7d", "actions": {"delete": {}}}}}})
es.indices.put_index_template("logs-python", {
    "index_patterns": ["logs-python-*"], "data_stream": {},
    "template": {"settings": {"index.lifecycle.name": "python"}, "mappings": {"properties": {"host": {"type": "keyword"}}}},
})
start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
docs = ({
    "_op_type": "create", "_index": index, "_id": f"p{i}", "@timestamp": (start + datetime.timedelta(seconds=i)).isoformat(),
    "message": f"row {i} ünï", "host": f"h{i % 4}", "size": i,
} for i in range(1000))
out["bulk"] = helpers.bulk(es, docs, chunk_size=300)
out["parallel"] = sum(ok for ok, _ in helpers.parallel_bulk(es, ({"_op_type": "create", "_index": index, "n": i} for i in range(1000)), chunk_size=100))
end = time.time() + 20
while es.count(index=index)["count"] < 2000 and time.time() < end:
    time.sleep(0.05)
found = es.search(index=index, size=2, track_total_hits=True, sort=[{"size": "desc"}], query={"bool": {
    "must": [{"match": {"message": "ünï"}}], "filter": [{"term": {"host": "h1"}}, {"range": {"size": {"lt": 900}}}]}},
    aggs={"hosts": {"terms": {"field": "host"}, "aggs": {"top": {"max": {"field": "size"}}}}})
out["total"] = found["hits"]["total"]["value"]
out["first"] = [h["_source"]["message"] for h in found["hits"]["hits"]]
out["hosts"] = found["aggregations"]["hosts"]["buckets"]
out["msearch"] = [r["hits"]["total"]["value"] for r in es.msearch(body=[{"index": index}, {"query": {"term": {"host": "h2"}}, "size": 0}, {"index": index}, {"query": {"prefix": {"host": "h"}}, "size": 0}])["responses"]]
out["get"] = es.get(index=index, id="p7")["_source"]["message"]
out["caps"] = list(es.field_caps(index=index, fields="host")["fields"]["host"])
out["mapping"] = es.indices.get_mapping(index=index)[index]["mappings"]["properties"]["host"]["type"]
out["policy"] = es.ilm.explain_lifecycle(index)["indices"][index]["policy"]
out["cat"] = [i["docs.count"] for i in es.cat.indices(index="logs-python-*", format="json")]
out["health"] = es.cluster.health()["status"]
try:
    es.create(index=index, id="p7", document={"message": "again"})
except ConflictError as e:
    out["conflict"] = e.error
try:
    es.search(index=index, query={"fuzzy": {"host": "x"}})
except RequestError as e:
    out["refused"] = [e.status_code, e.error]
print(json.dumps(out, ensure_ascii=False, separators=(",", ":")))
