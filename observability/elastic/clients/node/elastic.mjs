// Elastic's own client for Node writes to the address of its argument and reads back.
import { Client } from '@elastic/elasticsearch'

const client = new Client({ node: process.argv[2], auth: { username: 'x', password: 'token' } })
const index = 'logs-node-default'
const out = {}
out.version = (await client.info()).version.number
await client.indices.putIndexTemplate({
  name: 'logs-node', index_patterns: ['logs-node-*'], data_stream: {}, template: { mappings: { properties: { host: { type: 'keyword' } } } },
})
const start = Date.now() - 3600_000
const docs = Array.from({ length: 1000 }, (_, i) => ({ '@timestamp': new Date(start + i * 1000).toISOString(), message: `row ${i} <b>`, host: `h${i % 4}`, size: i }))
const bulk = await client.helpers.bulk({ datasource: docs, onDocument: () => ({ create: { _index: index } }) })
out.bulk = [bulk.successful, bulk.failed]
for (let i = 0; i < 100 && (await client.count({ index })).count < docs.length; i++) await new Promise((done) => setTimeout(done, 100))
const found = await client.search({
  index, size: 2, track_total_hits: true, sort: [{ size: 'desc' }], query: { bool: { filter: [{ term: { host: 'h1' } }, { range: { size: { lt: 900 } } }] } },
  aggs: { hosts: { terms: { field: 'host' }, aggs: { top: { max: { field: 'size' } } } } },
})
out.total = found.hits.total.value
out.first = found.hits.hits.map((h) => h._source.message)
out.hosts = found.aggregations.hosts.buckets
out.pages = 0
for await (const page of scroll()) out.pages += page
async function* scroll() {
  let after
  for (;;) {
    const r = await client.search({ index, size: 300, sort: [{ '@timestamp': 'asc' }, { _doc: 'asc' }], search_after: after })
    if (r.hits.hits.length === 0) return
    after = r.hits.hits.at(-1).sort
    yield r.hits.hits.length
  }
}
out.caps = Object.keys((await client.fieldCaps({ index, fields: '*' })).fields.host)
out.cat = (await client.cat.indices({ index: 'logs-node-*', format: 'json' })).map((i) => [i.index, i['docs.count']])
out.error = await client.search({ index, query: { fuzzy: { host: 'x' } } }).catch((e) => [e.statusCode, e.meta.body.error.type])
console.log(JSON.stringify(out))
