/** What Prometheus reads of a mirror (text format 0.0.4); `docs/mirror-dashboard.json` shows it. */
import {Counter, collectDefaultMetrics, Gauge, Histogram, Registry} from 'prom-client'
import type {MirrorEvent} from '../content/pull-through/events.ts'
import type {EvictionResult} from '../content/pull-through/eviction/evictor.ts'
import {UpstreamUnavailableError} from '../content/pull-through/upstream.ts'
import {HoldfastError} from '../core/errors.ts'
import {addClientMetrics} from './client-metrics.ts'
import type {ClientRecords} from './client-records.ts'
import {CONDITIONS, type Condition} from './health.ts'
import type {FailureEvent, RequestEvent} from './server-events.ts'

/** From a cached manifest to a layer of gigabytes for a slow client. */
const DURATION_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
/** Stands for requests of no upstream. */
const NO_UPSTREAM = 'none'

/** What is measured when Prometheus asks. */
export interface MirrorState {
  /** Bytes that the disk can still take; undefined where a registry keeps the images. */
  readonly freeBytes: number | undefined
  readonly conditions: readonly Condition[]
  readonly upstreams: readonly {
    readonly name: string
    readonly isPaused: boolean
    readonly sizeBytes: number | undefined
    readonly images: number | undefined
  }[]
}

export interface MirrorMetrics {
  readonly contentType: string
  text(): Promise<string>
  told(upstream: string, event: MirrorEvent): void
  /** A request was answered. */
  answered(event: RequestEvent): void
  /** A request, or something that the mirror does by itself, failed. */
  failed(event: FailureEvent): void
  /** The upstream did not answer, or asked to slow down. */
  paused(upstream: string): void
  evicted(upstream: string, result: EvictionResult): void
}

export function createMirrorMetrics(clients: ClientRecords, readState: () => Promise<MirrorState>): MirrorMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({register: registry, prefix: 'holdfast_'})
  addClientMetrics(registry, clients)
  const counter = (name: string, help: string, labelNames: readonly string[]) =>
    new Counter({name: `holdfast_mirror_${name}`, help, labelNames: [...labelNames], registers})
  const gauge = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Gauge({name: `holdfast_mirror_${name}`, help, labelNames: [...labelNames], registers})
  const requests = counter('requests_total', 'Manifests and blobs that clients asked for, by whether the mirror had them.', [
    'upstream',
    'kind',
    'outcome',
  ])
  const responses = counter(
    'responses_total',
    'Responses to clients, by outcome: served, refused (4xx), failed (5xx), aborted by the client.',
    ['upstream', 'kind', 'outcome'],
  )
  const sent = counter('sent_bytes_total', 'Bytes of bodies that were sent to clients, by outcome.', ['upstream', 'outcome'])
  const durations = new Histogram({
    name: 'holdfast_mirror_request_duration_seconds',
    help: 'Time from the request of a client to the last byte of the response.',
    labelNames: ['upstream', 'kind'],
    buckets: DURATION_SECONDS,
    registers,
  })
  const failures = counter('failures_total', 'Failed requests and background work, by the code of the error (docs/errors.md).', [
    'upstream',
    'cause',
  ])
  const completed = counter('completed_total', 'Images whose parts that no client asked for were fetched in the background.', ['upstream'])
  const damaged = counter('damaged_total', 'Files of the mirror that were damaged, and taken out of use.', ['upstream', 'kind'])
  const stale = counter('stale_total', 'Tags that were served though the upstream could not be asked.', ['upstream'])
  const filled = counter('filled_bytes_total', 'Bytes of blobs that were fetched from the upstream.', ['upstream'])
  const pauses = counter('upstream_pauses_total', 'How often the upstream did not answer, or asked to slow down.', ['upstream'])
  const evictions = counter('evictions_total', 'Images that were evicted, by limit (size, unused), or had to be kept, by reason.', [
    'upstream',
    'outcome',
  ])
  const evictedBytes = counter('evicted_bytes_total', 'Bytes that evictions freed.', ['upstream'])
  const up = gauge('upstream_up', 'Whether the upstream is asked: 0 while it does not answer, or asked to slow down.', ['upstream'])
  const size = gauge('size_bytes', 'Bytes of the images that the mirror keeps, as last measured.', ['upstream'])
  const images = gauge('images', 'Images that the mirror keeps, as last measured.', ['upstream'])
  const free = gauge('free_bytes', 'Bytes that the disk of the mirror can still take.')
  const degraded = gauge('degraded', 'Conditions of /readyz: 1 while one holds.', ['condition'])

  const observe = async (): Promise<void> => {
    const {freeBytes, conditions, upstreams} = await readState()
    if (freeBytes !== undefined) free.set(freeBytes)
    for (const condition of CONDITIONS) degraded.set({condition}, conditions.includes(condition) ? 1 : 0)
    for (const {name: upstream, isPaused, sizeBytes, images: count} of upstreams) {
      up.set({upstream}, isPaused ? 0 : 1)
      if (sizeBytes !== undefined) size.set({upstream}, sizeBytes)
      if (count !== undefined) images.set({upstream}, count)
    }
  }

  return {
    contentType: registry.contentType,
    text: async () => {
      await observe()
      return await registry.metrics()
    },
    told(upstream, event) {
      if (event.type === 'hit' || event.type === 'miss') requests.inc({upstream, kind: event.kind, outcome: event.type})
      if (event.type === 'stale') stale.inc({upstream})
      if (event.type === 'completed') completed.inc({upstream})
      if (event.type === 'damaged') damaged.inc({upstream, kind: event.kind})
      if (event.type === 'filled') filled.inc({upstream}, event.bytes)
    },
    answered({upstream = NO_UPSTREAM, path, status, sentBytes, durationMs, isCutShort}) {
      const kind = kindOf(path)
      if (kind === undefined) return
      const outcome = isCutShort ? 'aborted' : status < 400 ? 'served' : status < 500 ? 'refused' : 'failed'
      responses.inc({upstream, kind, outcome})
      sent.inc({upstream, outcome}, sentBytes)
      durations.observe({upstream, kind}, durationMs / 1000)
    },
    failed: ({upstream = NO_UPSTREAM, error}) => failures.inc({upstream, cause: causeOf(error)}),
    paused: (upstream) => pauses.inc({upstream}),
    evicted(upstream, {outcome, freedBytes}) {
      evictions.inc({upstream, outcome})
      evictedBytes.inc({upstream}, freedBytes)
    },
  }
}

/** Probes and scrapes do not count as requests of clients. */
function kindOf(path: string): 'manifest' | 'blob' | 'other' | undefined {
  if (!path.startsWith('/v2/')) return undefined
  if (path.includes('/manifests/')) return 'manifest'
  return path.includes('/blobs/') ? 'blob' : 'other'
}

/** The code of the error that an operator can do something about: of an upstream without an answer, why it had none. */
function causeOf(error: unknown): string {
  if (error instanceof UpstreamUnavailableError && error.cause instanceof HoldfastError) return error.cause.code
  return error instanceof HoldfastError ? error.code : 'INTERNAL'
}
