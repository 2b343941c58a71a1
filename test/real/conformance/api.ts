/** A small distribution-spec client for the conformance tests: it sends what it is told, checks nothing, follows nothing. */
import assert from 'node:assert/strict'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>
  /** A stream is sent with `Transfer-Encoding: chunked`. */
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
}

export class RegistryApi {
  readonly #base: string

  /** @param base `http://host:port` */
  constructor(base: string) {
    this.#base = base
  }

  async send(method: string, location: string, {headers = {}, body}: Ask = {}): Promise<Answer> {
    const response = await fetch(new URL(location, this.#base), {
      method,
      headers: {...headers, ...(body === undefined && method !== 'GET' && method !== 'HEAD' ? {'Content-Length': '0'} : {})},
      redirect: 'manual',
      ...(body === undefined ? {} : {body, duplex: 'half' as const}),
    })
    return {status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer())}
  }

  /** Opens an upload session and answers with its location. */
  async startUpload(repository: string, query = ''): Promise<string> {
    const opened = await this.send('POST', `/v2/${repository}/blobs/uploads/${query}`)
    expectStatus(opened, 202)
    return locationOf(opened)
  }

  async putBlob(repository: string, digest: string, bytes: Buffer<ArrayBuffer>): Promise<void> {
    const algorithm = digest.slice(0, digest.indexOf(':'))
    const location = await this.startUpload(repository, algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`)
    const stored = await this.send('PUT', withDigest(location, digest), {
      headers: {'Content-Type': 'application/octet-stream'},
      body: bytes,
    })
    expectStatus(stored, 201)
  }

  async putManifest(repository: string, reference: string, mediaType: string, bytes: Buffer<ArrayBuffer>): Promise<Answer> {
    return await this.send('PUT', `/v2/${repository}/manifests/${reference}`, {headers: {'Content-Type': mediaType}, body: bytes})
  }
}

export function expectStatus(answer: Answer, ...statuses: readonly number[]): void {
  assert.ok(
    statuses.includes(answer.status),
    `status is ${answer.status}, not ${statuses.join(' or ')}: ${answer.body.toString().slice(0, 300)}`,
  )
}

/** Expects an error in the specification's form. */
export function expectError(answer: Answer, status: number, ...codes: readonly string[]): void {
  expectStatus(answer, status)
  const {errors}: {errors: readonly {code: string}[]} = JSON.parse(answer.body.toString())
  const code = errors[0]?.code ?? ''
  assert.ok(codes.includes(code), `code is ${code}, not ${codes.join(' or ')}`)
}

export function locationOf(answer: Answer): string {
  const location = answer.headers.get('location')
  assert.ok(location, 'the answer has no Location')
  return location
}

/** A location keeps the query that the registry gave it. */
export function withDigest(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
}
