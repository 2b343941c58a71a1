/** What Prometheus reads of a mirror (text format 0.0.4): what it answered by itself, what it had to fetch, and what it served though its upstream was gone. */
import {Counter, Registry} from 'prom-client'
import type {MirrorEvent} from '../content/pull-through/events.ts'
import {addClientMetrics} from './client-metrics.ts'
import type {ClientRecords} from './client-records.ts'

export interface MirrorMetrics {
  readonly contentType: string
  text(): Promise<string>
  told(upstream: string, event: MirrorEvent): void
  /** The upstream did not answer, or asked to slow down. */
  paused(upstream: string): void
}

export function createMirrorMetrics(clients: ClientRecords): MirrorMetrics {
  const registry = new Registry()
  addClientMetrics(registry, clients)
  const counter = (name: string, help: string, labelNames: readonly string[]) =>
    new Counter({name, help, labelNames: [...labelNames], registers: [registry]})
  const requests = counter('holdfast_mirror_requests_total', 'Manifests and blobs that were asked for, by whether the mirror had them.', [
    'upstream',
    'kind',
    'outcome',
  ])
  const stale = counter('holdfast_mirror_stale_total', 'Tags that were served though the upstream could not be asked.', ['upstream'])
  const filled = counter('holdfast_mirror_filled_bytes_total', 'Bytes of blobs that were fetched.', ['upstream'])
  const pauses = counter('holdfast_mirror_upstream_pauses_total', 'How often the upstream did not answer, or asked to slow down.', [
    'upstream',
  ])
  const completed = counter(
    'holdfast_mirror_completed_total',
    'Images whose parts that no client asked for were fetched in the background.',
    ['upstream'],
  )
  const damaged = counter('holdfast_mirror_damaged_total', 'Files of the mirror that were damaged, and taken out of use.', [
    'upstream',
    'kind',
  ])
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    told(upstream, event) {
      if (event.type === 'hit' || event.type === 'miss') requests.inc({upstream, kind: event.kind, outcome: event.type})
      if (event.type === 'stale') stale.inc({upstream})
      if (event.type === 'completed') completed.inc({upstream})
      if (event.type === 'damaged') damaged.inc({upstream, kind: event.kind})
      if (event.type === 'filled') filled.inc({upstream}, event.bytes)
    },
    paused: (upstream) => pauses.inc({upstream}),
  }
}
