import assert from 'node:assert/strict'
import {createHash, randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {mkdir, readdir, writeFile} from 'node:fs/promises'
import {request} from 'node:http'
import {join} from 'node:path'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {assertLoopback} from '../../../src/lib/server/loopback.ts'
import {type ServedRegistry, serveRegistry} from '../../../src/lib/server/serve.ts'
import type {FailureEvent, RequestEvent} from '../../../src/lib/server/server-events.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {OCI_MANIFEST} from '../../support/images.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {rawRequest, sendRaw} from './raw-http.ts'

const BLOB = randomBytes(100_000)
const DIGEST = digestOf(BLOB)

describe('the embedded registry', () => {
  const afterwards = cleanUpAfterwards()
  const events: (RequestEvent | FailureEvent)[] = []
  let root: string
  let served: ServedRegistry
  let base: string

  before(async () => {
    const directory = await createTemporaryDirectory('server')
    afterwards(directory.remove)
    root = join(directory.path, 'store')
    served = await serveRegistry({dataDirectory: root, host: '127.0.0.1', port: 0, listener: (event) => events.push(event)})
    afterwards(() => served.stop({graceMs: 0}))
    base = `http://127.0.0.1:${served.address.port}`
    const pushed = await fetch(`${base}/v2/app/blobs/uploads/?digest=${DIGEST}`, {method: 'POST', body: BLOB})
    assert.equal(pushed.status, 201)
  })

  /** An image of the blob alone, which is its config. */
  const imageManifest = (options: {readonly size?: number; readonly annotations?: object} = {}): Buffer<ArrayBuffer> => {
    const {size = BLOB.length, annotations} = options
    const config = {mediaType: 'application/vnd.oci.image.config.v1+json', digest: DIGEST, size}
    return Buffer.from(JSON.stringify({schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [], annotations}))
  }
  const putManifest = (reference: string, body: Buffer<ArrayBuffer>, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(`${base}/v2/app/manifests/${reference}`, {method: 'PUT', headers: {'Content-Type': OCI_MANIFEST, ...headers}, body})
  const raw = (method: string, target: string, headers?: Readonly<Record<string, string>>): Promise<string> =>
    sendRaw(served.address.port, rawRequest(method, target, headers))

  it('never leaves its folder, whatever a path says', async () => {
    const secret = join(root, '..', 'secret')
    await writeFile(secret, 'canary')
    const digest = `sha256:${'a'.repeat(64)}`
    for (const target of [
      '/v2/../secret',
      '/v2/../../secret/manifests/latest',
      '/v2/a/..%2f..%2f..%2fsecret/manifests/latest',
      '/v2/%2e%2e/%2e%2e/manifests/latest',
      '/v2/a%00b/manifests/latest',
      '/v2/a/manifests/..%2f..%2fsecret',
      '/v2/a/manifests/%2e%2e',
      '/v2/a/blobs/sha256:..%2f..%2fsecret',
      `/v2/a/blobs/${digest}%2f..%2f..`,
      '/v2/a/blobs/uploads/..%2f..%2f..%2fsecret',
      '/v2/a/referrers/..%2fsecret',
      '/v2/_uploads/tags/list',
      '/v2/a%/tags/list',
      '/v2/a\\..\\b/tags/list',
      `/v2/${'a'.repeat(300)}/tags/list`,
      `/v2/${'a/'.repeat(3000)}tags/list`,
    ]) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await raw(method, target)
        assert.match(answer, /^HTTP\/1\.1 4(00|04|05) /, `${method} ${target.slice(0, 60)}`)
        assert.doesNotMatch(answer, /canary/)
      }
    }
    assert.deepEqual(await readdir(join(root, '..')), ['secret', 'store'])
  })

  it('answers only to names of this machine, against DNS rebinding', async () => {
    for (const host of ['localhost', 'LOCALHOST:5000', '127.0.0.1', '127.8.9.1:80', '[::1]:5000']) {
      assert.match(await raw('GET', '/v2/', {Host: host}), /^HTTP\/1\.1 200 /, host)
    }
    for (const host of [
      'evil.example.com',
      '127.0.0.1.evil.example.com',
      'localhost.evil.example.com',
      '10.0.0.1',
      '[::2]',
      '',
      'a@localhost',
    ]) {
      assert.match(await raw('GET', '/v2/', {Host: host}), /^HTTP\/1\.1 4(21|00) /, host)
    }
  })

  it('takes no changes from web pages', async () => {
    const path = '/v2/app/blobs/uploads/'
    assert.match(await raw('POST', path, {Origin: 'https://evil.example.com', 'Content-Length': '0'}), /^HTTP\/1\.1 403 /)
    assert.match(await raw('POST', path, {Origin: 'null', 'Content-Length': '0'}), /^HTTP\/1\.1 403 /)
    assert.match(await raw('POST', path, {'Content-Length': '0'}), /^HTTP\/1\.1 202 /)
  })

  it('says 405 with Allow for a method that an endpoint does not have', async () => {
    const answer = await fetch(`${base}/v2/app/tags/list`, {method: 'POST'})
    assert.equal(answer.status, 405)
    assert.equal(answer.headers.get('allow'), 'GET, HEAD')
    assert.equal((await errorOf(answer)).code, 'UNSUPPORTED')
  })

  it('spares a client what it has: 304 for its ETag', async () => {
    const path = `${base}/v2/app/blobs/${DIGEST}`
    const etag = (await fetch(path, {method: 'HEAD'})).headers.get('etag') ?? ''
    for (const header of [etag, `"other", W/${etag}`, '*']) {
      assert.equal((await fetch(path, {headers: {'If-None-Match': header}})).status, 304, header)
    }
    assert.equal((await fetch(path, {headers: {'If-None-Match': '"other"'}})).status, 200)
  })

  it('ignores Range when If-Range names another version', async () => {
    const path = `${base}/v2/app/blobs/${DIGEST}`
    assert.equal((await fetch(path, {headers: {Range: 'bytes=0-9', 'If-Range': '"other"'}})).status, 200)
    assert.equal((await fetch(path, {headers: {Range: 'bytes=0-9', 'If-Range': `"${DIGEST}"`}})).status, 206)
  })

  it('refuses a chunk whose length is not what Content-Range says', async () => {
    const opened = await fetch(`${base}/v2/app/blobs/uploads/`, {method: 'POST'})
    const location = `${base}${opened.headers.get('location')}`
    const patch = (range: string, body: Buffer<ArrayBuffer>): Promise<Response> =>
      fetch(location, {method: 'PATCH', headers: {'Content-Range': range}, body})
    assert.equal((await errorOf(await patch('0-99', BLOB.subarray(0, 50)))).code, 'SIZE_INVALID')
    assert.equal((await errorOf(await patch('nonsense', BLOB.subarray(0, 50)))).code, 'BLOB_UPLOAD_INVALID')
    assert.equal((await fetch(location)).headers.get('range'), '0-0')
    assert.equal((await patch('0-49', BLOB.subarray(0, 50))).status, 202)
  })

  it('never makes a blob of another repository readable by its digest alone', async () => {
    const answer = await fetch(`${base}/v2/other/blobs/uploads/?mount=${DIGEST}`, {method: 'POST'})
    assert.equal(answer.status, 202)
    assert.equal((await fetch(`${base}/v2/other/blobs/${DIGEST}`, {method: 'HEAD'})).status, 404)
  })

  it('answers a mount from the same repository with 201, so that a client saves a HEAD', async () => {
    assert.equal((await fetch(`${base}/v2/app/blobs/uploads/?mount=${DIGEST}&from=app`, {method: 'POST'})).status, 201)
  })

  it('refuses a manifest whose descriptor has another size than the blob, and shows nothing of it', async () => {
    const bytes = imageManifest({size: BLOB.length + 1})
    const refused = await putManifest('wrong-size', bytes)
    assert.equal(refused.status, 400)
    const {code, message} = await errorOf(refused)
    assert.equal(code, 'MANIFEST_INVALID')
    assert.match(message, new RegExp(`${DIGEST} says ${BLOB.length + 1} bytes, it has ${BLOB.length}$`))
    assert.equal((await fetch(`${base}/v2/app/manifests/wrong-size`)).status, 404)
    assert.equal((await fetch(`${base}/v2/app/manifests/${digestOf(bytes)}`)).status, 404)
  })

  it('takes a Content-Type in capitals and with parameters', async () => {
    const bytes = imageManifest()
    assert.equal((await putManifest('capitals', bytes, {'Content-Type': `${OCI_MANIFEST.toUpperCase()}; Charset=UTF-8`})).status, 201)
    const stored = await fetch(`${base}/v2/app/manifests/capitals`)
    assert.equal(stored.headers.get('content-type'), OCI_MANIFEST)
    assert.deepEqual(Buffer.from(await stored.arrayBuffer()), bytes)
  })

  it('sets the tags that the query of a push by digest names, and says which', async () => {
    const bytes = imageManifest({annotations: {pushed: 'with tags'}})
    events.length = 0
    const answer = await putManifest(`${digestOf(bytes)}?tag=1.2.3&tag=1.2&tag=latest&tag=1.2`, bytes)
    assert.equal(answer.status, 201)
    assert.equal(answer.headers.get('oci-tag'), '1.2.3, 1.2, latest')
    assert.equal(answer.headers.get('docker-content-digest'), digestOf(bytes))
    for (const tag of ['1.2.3', '1.2', 'latest']) {
      const head = await fetch(`${base}/v2/app/manifests/${tag}`, {method: 'HEAD'})
      assert.equal(head.headers.get('docker-content-digest'), digestOf(bytes), tag)
    }
    const [event] = events
    assert.ok(event?.type === 'request')
    assert.deepEqual(event.tags, ['1.2.3', '1.2', 'latest'])
  })

  it('sets no tag when one of them cannot be, when the path has a tag itself, or when there are too many', async () => {
    const bytes = imageManifest({annotations: {pushed: 'in vain'}})
    const many = Array.from({length: 101}, (_, n) => `tag=t${n}`).join('&')
    for (const [reference, status, code] of [
      [`${digestOf(bytes)}?tag=good&tag=-bad`, 400, 'MANIFEST_INVALID'],
      [`${digestOf(bytes)}?tag=good&tag=`, 400, 'MANIFEST_INVALID'],
      [`good?tag=other`, 400, 'UNSUPPORTED'],
      [`${digestOf(bytes)}?tag=good&${many}`, 414, 'SIZE_INVALID'],
    ] as const) {
      const answer = await putManifest(reference, bytes)
      assert.deepEqual([answer.status, (await errorOf(answer)).code], [status, code], reference.slice(0, 100))
    }
    for (const reference of ['good', 'other', 't1', digestOf(bytes)])
      assert.equal((await fetch(`${base}/v2/app/manifests/${reference}`)).status, 404, reference)
  })

  it('takes no more than 4 MiB of a manifest, also when its length is not told', async () => {
    const limit = 4 * 1024 * 1024
    const push = async (sizeBytes: number, headers: Readonly<Record<string, string>>): Promise<number | undefined> => {
      const sent = request(`${base}/v2/app/manifests/large`, {method: 'PUT', headers: {'Content-Type': OCI_MANIFEST, ...headers}})
      sent.on('error', () => {})
      const answered = once(sent, 'response')
      sent.end(Buffer.alloc(sizeBytes, ' '))
      const [response] = await answered
      response.resume()
      return response.statusCode
    }
    for (const headers of [{'Transfer-Encoding': 'chunked'}, {'Content-Length': String(limit + 1)}])
      assert.equal(await push(limit + 1, headers), 413)
    // One byte less is read to its end, and is no manifest.
    for (const headers of [{'Transfer-Encoding': 'chunked'}, {'Content-Length': String(limit)}])
      assert.equal(await push(limit, headers), 400)
  })

  it('tells its listener of each request, without the query', async () => {
    events.length = 0
    await (await fetch(`${base}/v2/app/blobs/${DIGEST}?token=canary`)).arrayBuffer()
    await fetch(`${base}/v2/app/blobs/uploads/?digest=${DIGEST}`, {method: 'POST', body: BLOB})
    const [pull, push] = events
    assert.ok(pull?.type === 'request' && push?.type === 'request')
    assert.deepEqual([pull.method, pull.path, pull.status, pull.sentBytes], ['GET', `/v2/app/blobs/${DIGEST}`, 200, BLOB.length])
    assert.deepEqual([push.method, push.path, push.status, push.receivedBytes], ['POST', '/v2/app/blobs/uploads/', 201, BLOB.length])
    assert.equal(pull.remoteAddress, '127.0.0.1')
    assert.doesNotMatch(JSON.stringify(events), /canary/)
  })

  it('tells an internal cause to its listener only, under the request id of the answer', async () => {
    events.length = 0
    const links = join(root, 'docker/registry/v2/repositories/broken/_manifests/tags/bad/current')
    await mkdir(join(links, 'link'), {recursive: true})
    const answer = await fetch(`${base}/v2/broken/manifests/bad`)
    assert.equal(answer.status, 500)
    const {code, message, detail} = await errorOf(answer)
    assert.equal(code, 'UNKNOWN')
    assert.doesNotMatch(message, /directory|docker/)
    const failure = events.find((event) => event.type === 'failure')
    assert.equal(failure?.requestId, detail?.requestId)
    assert.match(String(failure?.error), /it is a directory/)
  })

  it('answers a malformed request head with 400 and closes', async () => {
    assert.match(await sendRaw(served.address.port, 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nGARBAGE\r\n\r\n'), /^HTTP\/1\.1 400 /)
  })

  it('refuses every change when it is read-only, and serves all the same', async () => {
    const readOnly = await serveRegistry({dataDirectory: root, host: 'localhost', port: 0, readOnly: true})
    try {
      const url = `http://127.0.0.1:${readOnly.address.port}`
      assert.equal((await fetch(`${url}/v2/app/blobs/${DIGEST}`)).status, 200)
      for (const [method, path] of [
        ['POST', '/v2/app/blobs/uploads/'],
        ['PUT', '/v2/app/manifests/latest'],
        ['DELETE', '/v2/app/manifests/latest'],
        ['DELETE', `/v2/app/blobs/${DIGEST}`],
        ['PATCH', '/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000'],
      ] as const) {
        const answer = await fetch(`${url}${path}`, {method})
        assert.equal(answer.status, 405, `${method} ${path}`)
        assert.equal((await errorOf(answer)).code, 'UNSUPPORTED')
      }
    } finally {
      await readOnly.stop({graceMs: 0})
    }
  })

  it('says which address is taken', async () => {
    const again = serveRegistry({dataDirectory: root, host: '127.0.0.1', port: served.address.port})
    await assert.rejects(again, (error) => hasCode(error, 'ADDRESS_IN_USE') && error.message.includes(`127.0.0.1:${served.address.port}`))
  })

  it('listens on loopback only', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', '[2001:db8::1]', '::ffff:192.0.2.1']) {
      const refused = serveRegistry({dataDirectory: root, host, port: 0})
      await assert.rejects(refused, (error) => hasCode(error, 'LISTEN_NOT_LOOPBACK') && error.hints.length > 0, host)
    }
    assert.equal(await assertLoopback('127.9.9.9'), '127.9.9.9')
    assert.equal(await assertLoopback('[::1]'), '::1')
    assert.match(await assertLoopback('localhost'), /^(127\.|::1$)/)
  })
})

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

interface ErrorEntry {
  readonly code: string
  readonly message: string
  readonly detail?: {readonly requestId?: string}
}

async function errorOf(answer: Response): Promise<ErrorEntry> {
  const {errors}: {errors: readonly [ErrorEntry]} = JSON.parse(await answer.text())
  return errors[0]
}
