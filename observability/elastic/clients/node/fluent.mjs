// The Fluent project's own logger for Node sends in every mode, with acknowledgements and a
// shared key, over TLS.
import { readFileSync } from 'node:fs'
import fluent from '@fluent-org/logger'

const [port, key, ca] = process.argv.slice(2)
for (const eventMode of ['Message', 'Forward', 'PackedForward', 'CompressedPackedForward']) {
  const client = new fluent.FluentClient('node', {
    eventMode, ack: {}, socket: { host: '127.0.0.1', port: Number(port), timeout: 5000, tls: { ca: readFileSync(ca) } },
    security: { clientHostname: 'client', sharedKey: key },
  })
  await Promise.all([1, 2, 3].map((n) => client.emit(eventMode.toLowerCase(), { message: `${eventMode} ${n}`, n, nested: { a: [1, 'x'] } })))
  await client.shutdown()
}
