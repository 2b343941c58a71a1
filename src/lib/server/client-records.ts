/**
 * Which client pulled what through a mirror, and when: a client that is not among them goes around the mirror. Remembered since the start, and bounded: of clients that come and
 * go the oldest are forgotten.
 */
import type {AddressPolicy} from '../core/address-policy.ts'
import {isDigest} from '../oci/digest.ts'
import {clientAddress} from './client-address.ts'
import type {Exchange} from './exchange.ts'
import type {Route} from './route.ts'

/** Each is a client of one upstream. */
const MAX_CLIENTS = 2_000
const MAX_IMAGES = 20
/** Manifests of one repository that a client asks for within this time are one pull: by tag, then by digest, then those of its platforms. */
const PULL_MS = 60_000

interface PulledImage {
  /** `docker.io/library/alpine:3.20`; with a digest where the client named no tag. */
  readonly image: string
  readonly pulledAt: Date
}

/** What one client pulled of one upstream. */
export interface ClientPulls {
  /** An IP address. */
  readonly address: string
  readonly upstream: string
  readonly pulls: number
  /** Of manifests and blobs. */
  readonly sentBytes: number
  readonly lastPulledAt: Date
  /** The last ones, newest first. */
  readonly images: readonly PulledImage[]
}

export interface ClientRecordsOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Proxies that are believed about where a client comes from. */
  readonly isProxy?: AddressPolicy | undefined
}

interface ClientRecord {
  readonly address: string
  readonly upstream: string
  pulls: number
  sentBytes: number
  lastPulledAtMs: number
  /** When each image was pulled, oldest first. */
  readonly images: Map<string, number>
  /** What was asked for last, of which the next manifests may be parts. */
  last: {readonly repository: string; readonly reference: string; readonly isPull: boolean; readonly atMs: number} | undefined
}

export class ClientRecords {
  readonly since: Date
  readonly #options: ClientRecordsOptions
  /** By address and upstream; the one that was seen last is last. */
  readonly #records = new Map<string, ClientRecord>()

  constructor(options: ClientRecordsOptions) {
    this.#options = options
    this.since = new Date(options.now())
  }

  /** Notes a request about an upstream when it is over. */
  watch({request, response, traffic}: Exchange, upstream: string, route: Route): void {
    if (route.kind !== 'manifest' && route.kind !== 'blob') return
    const address = clientAddress(request, this.#options.isProxy)
    response.once('close', () => {
      if (response.statusCode >= 400 || !response.headersSent) return
      const record = this.#record(address, upstream)
      record.sentBytes += traffic.sent
      if (route.kind === 'manifest' && response.writableFinished) this.#noteManifest(record, route, request.method === 'GET')
    })
  }

  /** Those that pulled something, the last one first. */
  list(): readonly ClientPulls[] {
    return [...this.#records.values()]
      .filter(({pulls}) => pulls > 0)
      .toSorted((a, b) => b.lastPulledAtMs - a.lastPulledAtMs)
      .map(({address, upstream, pulls, sentBytes, lastPulledAtMs, images}) => ({
        address,
        upstream,
        pulls,
        sentBytes,
        lastPulledAt: new Date(lastPulledAtMs),
        images: [...images].toReversed().map(([image, atMs]) => ({image, pulledAt: new Date(atMs)})),
      }))
  }

  #record(address: string, upstream: string): ClientRecord {
    const key = `${address} ${upstream}`
    const record = this.#records.get(key) ?? {
      address,
      upstream,
      pulls: 0,
      sentBytes: 0,
      lastPulledAtMs: 0,
      images: new Map<string, number>(),
      last: undefined,
    }
    moveToEnd(this.#records, key, record, MAX_CLIENTS)
    return record
  }

  #noteManifest(record: ClientRecord, {repository, reference}: Route & {readonly kind: 'manifest'}, isGet: boolean): void {
    const nowMs = this.#options.now()
    const {last} = record
    const isPart = isDigest(reference) && last?.repository === repository && nowMs - last.atMs < PULL_MS
    const named = isPart ? last.reference : reference
    const isKnownPull = isPart && last.isPull
    record.last = {repository, reference: named, isPull: isGet || isKnownPull, atMs: nowMs}
    if (!isGet) return
    if (!isKnownPull) record.pulls++
    record.lastPulledAtMs = nowMs
    moveToEnd(record.images, `${record.upstream}/${repository}${isDigest(named) ? '@' : ':'}${named}`, nowMs, MAX_IMAGES)
  }
}

function moveToEnd<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > max && oldest !== undefined) map.delete(oldest)
}
