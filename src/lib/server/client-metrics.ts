/** What Prometheus reads of the clients of a mirror: a node whose last pull is long ago goes around the mirror. */
import {Counter, Gauge, type Registry} from 'prom-client'
import type {ClientRecords} from './client-records.ts'

const LABELS = ['client', 'upstream'] as const
const MS_PER_SECOND = 1_000

/** Adds them to a registry of metrics; each client that the records have forgotten is gone from them, too. */
export function addClientMetrics(registry: Registry, records: ClientRecords): void {
  const registers = [registry]
  new Counter({
    name: 'holdfast_mirror_client_pulls_total',
    help: 'Images that a client pulled, by its address and by upstream.',
    labelNames: LABELS,
    registers,
    collect() {
      this.reset()
      for (const {address, upstream, pulls} of records.list()) this.inc({client: address, upstream}, pulls)
    },
  })
  new Counter({
    name: 'holdfast_mirror_client_sent_bytes_total',
    help: 'Bytes of manifests and blobs that a client got, by its address and by upstream.',
    labelNames: LABELS,
    registers,
    collect() {
      this.reset()
      for (const {address, upstream, sentBytes} of records.list()) this.inc({client: address, upstream}, sentBytes)
    },
  })
  new Gauge({
    name: 'holdfast_mirror_client_last_pull_timestamp_seconds',
    help: 'When a client pulled an image last, by its address and by upstream.',
    labelNames: LABELS,
    registers,
    collect() {
      this.reset()
      for (const {address, upstream, lastPulledAt} of records.list())
        this.set({client: address, upstream}, lastPulledAt.getTime() / MS_PER_SECOND)
    },
  })
}
