/** Which clients pulled what through mirrors, as the mirrors themselves say. */
import {HoldfastError, hasCode} from '../core/errors.ts'
import {excerpt} from '../core/redaction.ts'
import {escapeText, type TerminalText} from '../core/terminal-text.ts'
import type {Context} from './context.ts'
import {formatTable} from './table.ts'
import {formatBytes} from './units.ts'

/** A mirror remembers 2,000 clients, each with 20 images. */
const MAX_BODY_BYTES = 32 * 1024 * 1024
const TIMEOUT_MS = 10_000
const MAX_TEXT = 300

interface ReportedImage {
  readonly image: string
  /** ISO 8601 */
  readonly pulledAt: string
}

interface ReportedClient {
  readonly address: string
  readonly upstream: string
  readonly pulls: number
  readonly sentBytes: number
  readonly lastPulledAt: string
  /** The last ones, newest first. */
  readonly images: readonly ReportedImage[]
}

export interface ClientReport {
  /** When the mirror that started last began to remember. */
  readonly since: string
  /** The one that pulled last comes first. */
  readonly clients: readonly ReportedClient[]
}

/**
 * Returns what several mirrors say together; undefined when one of them cannot be reached.
 * @throws {HoldfastError} DENIED when a mirror does not answer this machine; UNSUPPORTED when the server is not a mirror of Holdfast.
 */
export async function readClientReport(context: Context, mirrors: readonly URL[]): Promise<ClientReport | undefined> {
  const reports: ClientReport[] = []
  for (const mirror of mirrors) {
    const report = await readReport(context, mirror)
    if (report === undefined) return undefined
    reports.push(report)
  }
  const byKey = new Map<string, ReportedClient>()
  for (const client of reports.flatMap(({clients}) => clients)) {
    const key = `${client.address} ${client.upstream}`
    const known = byKey.get(key)
    byKey.set(key, known === undefined ? client : merge(known, client))
  }
  const clients = [...byKey.values()].toSorted((a, b) => b.lastPulledAt.localeCompare(a.lastPulledAt))
  const since = reports
    .map((report) => report.since)
    .toSorted()
    .at(-1)
  return since === undefined ? undefined : {since, clients}
}

/** Lines of a table: a client and an upstream each, with what was pulled last. */
export function formatClientReport({since, clients}: ClientReport): readonly TerminalText[] {
  if (clients.length === 0) return [escapeText(`no client has pulled anything since ${since}`)]
  const rows = clients.map(({address, upstream, pulls, sentBytes, lastPulledAt, images}) => [
    ...[address, upstream, String(pulls), formatBytes(sentBytes), lastPulledAt, images[0]?.image ?? '-'],
  ])
  return formatTable(['CLIENT', 'UPSTREAM', 'PULLS', 'SENT', 'LAST PULL', 'LAST IMAGE'], rows)
}

async function readReport(context: Context, mirror: URL): Promise<ClientReport | undefined> {
  const [{requestJson}, {proxyFor, onExchange}] = await Promise.all([import('../http/json-client.ts'), context.loginNetwork()])
  const url = new URL('/clients', mirror)
  try {
    const {status, json} = await requestJson({
      method: 'GET',
      url,
      proxy: proxyFor?.(url),
      signal: context.signal,
      timeoutMs: TIMEOUT_MS,
      maxBodyBytes: MAX_BODY_BYTES,
      onExchange,
    })
    const object = `cannot read the clients of the mirror "${mirror.host}"`
    if (status === 403) {
      throw new HoldfastError('DENIED', `${object}: it does not answer this machine`, {
        hints: [`holdfast mirror status --mirror ${mirror.origin}  # on the machine or in the container of the mirror`],
      })
    }
    const report = status === 200 ? reportOf(json) : undefined
    if (report !== undefined) return report
    throw new HoldfastError('UNSUPPORTED', `${object}: it is not a mirror of Holdfast, or an older one (HTTP ${status})`)
  } catch (error) {
    if (!hasCode(error, 'NETWORK', 'TIMEOUT', 'TLS', 'PLAIN_HTTP')) throw error
    return undefined
  }
}

function merge(a: ReportedClient, b: ReportedClient): ReportedClient {
  const images = new Map<string, string>()
  for (const {image, pulledAt} of [...a.images, ...b.images]) if ((images.get(image) ?? '') < pulledAt) images.set(image, pulledAt)
  return {
    address: a.address,
    upstream: a.upstream,
    pulls: a.pulls + b.pulls,
    sentBytes: a.sentBytes + b.sentBytes,
    lastPulledAt: a.lastPulledAt > b.lastPulledAt ? a.lastPulledAt : b.lastPulledAt,
    images: [...images]
      .map(([image, pulledAt]) => ({image, pulledAt}))
      .toSorted((one, other) => other.pulledAt.localeCompare(one.pulledAt)),
  }
}

/** What came, as far as it has the right form; undefined for what has not. */
function reportOf(json: unknown): ClientReport | undefined {
  const {since, clients}: {since?: unknown; clients?: unknown} = Object(json)
  if (typeof since !== 'string' || !Array.isArray(clients)) return undefined
  return {
    since: excerpt(since, MAX_TEXT),
    clients: clients.map((one: unknown) => {
      const client: Readonly<Record<string, unknown>> = Object(one)
      const images: readonly unknown[] = Array.isArray(client.images) ? client.images : []
      return {
        address: textOf(client.address),
        upstream: textOf(client.upstream),
        pulls: countOf(client.pulls),
        sentBytes: countOf(client.sentBytes),
        lastPulledAt: textOf(client.lastPulledAt),
        images: images.map((image) => ({image: textOf(Object(image).image), pulledAt: textOf(Object(image).pulledAt)})),
      }
    }),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? excerpt(value, MAX_TEXT) : ''
}

function countOf(value: unknown): number {
  return Number.isSafeInteger(value) ? Math.max(0, Number(value)) : 0
}
