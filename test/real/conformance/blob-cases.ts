/** Blobs: pull, push in every way the specification knows, mount, ranges, delete; each for both registered digest algorithms. */
import assert from 'node:assert/strict'
import {randomUUID} from 'node:crypto'
import {type Answer, expectError, expectStatus, locationOf, type RegistryApi, withDigest} from './api.ts'
import {type Algorithm, type Content, content, randomContent} from './data.ts'
import type {ConformanceCase} from './suite.ts'

const BLOB_BYTES = 4096
const CHUNK_BYTES = 1500
const OCTETS = {'Content-Type': 'application/octet-stream'}

export function blobCases(): Readonly<Record<string, readonly ConformanceCase[]>> {
  return {
    ping: [{name: 'GET /v2/ answers 200', run: async (api) => expectStatus(await api.send('GET', '/v2/'), 200)}],
    'blobs by sha256': casesFor('sha256'),
    'blobs by sha512': casesFor('sha512'),
  }
}

function casesFor(algorithm: Algorithm): readonly ConformanceCase[] {
  const blob = (size = BLOB_BYTES): Content => randomContent(size, algorithm)
  const other = (): string => blob().digest
  const open = (api: RegistryApi, repository: string): Promise<string> =>
    api.startUpload(repository, algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`)
  const postOnly = (api: RegistryApi, repository: string, digest: string, {bytes}: Content): Promise<Answer> =>
    api.send('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, {headers: OCTETS, body: bytes})
  const pushed = async (api: RegistryApi, repository: string): Promise<Content> => {
    const some = blob()
    await api.putBlob(repository, some.digest, some.bytes)
    return some
  }

  return [
    {
      name: 'a blob that was never pushed is 404',
      run: async (api) => {
        const path = `/v2/${newRepository()}/blobs/${other()}`
        expectError(await api.send('GET', path), 404, 'BLOB_UNKNOWN')
        expectStatus(await api.send('HEAD', path), 404)
      },
    },
    {
      name: 'one POST stores a blob or opens a session',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        const answer = await postOnly(api, repository, some.digest, some)
        expectStatus(answer, 201, 202)
        if (answer.status === 202)
          expectStatus(await api.send('PUT', withDigest(locationOf(answer), some.digest), {headers: OCTETS, body: some.bytes}), 201)
        await expectPull(api, repository, some)
      },
    },
    {
      name: 'POST then PUT stores a blob, and Location names it',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        const stored = await api.send('PUT', withDigest(await open(api, repository), some.digest), {headers: OCTETS, body: some.bytes})
        expectStatus(stored, 201)
        const pulled = await api.send('GET', locationOf(stored))
        assert.deepEqual(pulled.body, some.bytes)
        await expectPull(api, repository, some)
      },
    },
    {
      name: 'chunks, the last one by PATCH',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        const location = await patchAll(api, await open(api, repository), some.bytes)
        expectStatus(await api.send('PUT', withDigest(location, some.digest)), 201)
        await expectPull(api, repository, some)
      },
    },
    {
      name: 'chunks, the last one by PUT',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        const split = BLOB_BYTES - CHUNK_BYTES
        const location = await patchAll(api, await open(api, repository), some.bytes.subarray(0, split))
        const last = await api.send('PUT', withDigest(location, some.digest), {
          headers: chunkHeaders(split, BLOB_BYTES - 1),
          body: some.bytes.subarray(split),
        })
        expectStatus(last, 201)
        await expectPull(api, repository, some)
      },
    },
    {
      name: 'a stream without a length, then PUT',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        const patched = await api.send('PATCH', await open(api, repository), {headers: OCTETS, body: stream(some.bytes)})
        expectStatus(patched, 202)
        expectStatus(await api.send('PUT', withDigest(locationOf(patched), some.digest)), 201)
        await expectPull(api, repository, some)
      },
    },
    {
      name: 'a first chunk that does not begin at 0 is 416',
      run: async (api) => {
        const some = blob()
        const answer = await api.send('PATCH', await open(api, newRepository()), {
          headers: chunkHeaders(CHUNK_BYTES, BLOB_BYTES - 1),
          body: some.bytes.subarray(CHUNK_BYTES),
        })
        expectStatus(answer, 416)
      },
    },
    {
      name: 'a chunk out of order is 416, by PATCH and by PUT, and the upload goes on where it was',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        const location = await patchAll(api, await open(api, repository), some.bytes.subarray(0, CHUNK_BYTES))
        const late = {headers: chunkHeaders(2 * CHUNK_BYTES, BLOB_BYTES - 1), body: some.bytes.subarray(2 * CHUNK_BYTES)}
        expectStatus(await api.send('PATCH', location, late), 416)
        expectStatus(await api.send('PUT', withDigest(location, some.digest), late), 416)
        const status = await api.send('GET', location)
        expectStatus(status, 204)
        assert.equal(status.headers.get('range'), `0-${CHUNK_BYTES - 1}`)
        const rest = await patchAll(api, locationOf(status), some.bytes, CHUNK_BYTES)
        expectStatus(await api.send('PUT', withDigest(rest, some.digest)), 201)
        await expectPull(api, repository, some)
      },
    },
    {
      name: 'a chunk that was sent twice is 416',
      run: async (api) => {
        const some = blob()
        const location = await patchAll(api, await open(api, newRepository()), some.bytes.subarray(0, CHUNK_BYTES))
        expectStatus(
          await api.send('PATCH', location, {headers: chunkHeaders(0, CHUNK_BYTES - 1), body: some.bytes.subarray(0, CHUNK_BYTES)}),
          416,
        )
      },
    },
    {
      name: 'a cancelled upload is gone',
      run: async (api) => {
        const location = await open(api, newRepository())
        expectStatus(await api.send('DELETE', location), 204)
        expectError(await api.send('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')
      },
    },
    {
      name: 'a finished upload is gone',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        const location = await open(api, repository)
        expectStatus(await api.send('PUT', withDigest(location, some.digest), {headers: OCTETS, body: some.bytes}), 201)
        expectStatus(await api.send('GET', location), 404)
      },
    },
    {
      name: 'a mount from a repository that has the blob is 201 and moves nothing',
      run: async (api) => {
        const [from, to] = [newRepository(), newRepository()]
        const some = await pushed(api, from)
        expectStatus(await api.send('POST', `/v2/${to}/blobs/uploads/?mount=${some.digest}&from=${from}`), 201)
        await expectPull(api, to, some)
      },
    },
    {
      name: 'a mount from a repository that lacks the blob is 202 and can be uploaded to',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        const answer = await api.send('POST', `/v2/${repository}/blobs/uploads/?mount=${some.digest}&from=${newRepository()}`)
        expectStatus(answer, 202)
        expectStatus(await api.send('PUT', withDigest(locationOf(answer), some.digest), {headers: OCTETS, body: some.bytes}), 201)
        await expectPull(api, repository, some)
      },
    },
    {
      name: 'a mount that names no source is 201 or 202',
      run: async (api) => {
        const some = await pushed(api, newRepository())
        expectStatus(await api.send('POST', `/v2/${newRepository()}/blobs/uploads/?mount=${some.digest}`), 201, 202)
      },
    },
    {
      name: 'ranges: a part, an open end, a suffix, an end beyond the end',
      run: async (api) => {
        const repository = newRepository()
        const some = await pushed(api, repository)
        const get = (range: string): Promise<Answer> => api.send('GET', `/v2/${repository}/blobs/${some.digest}`, {headers: {Range: range}})
        for (const [range, start, end] of [
          ['bytes=10-99', 10, 99],
          ['bytes=4000-', 4000, 4095],
          ['bytes=-96', 4000, 4095],
          ['bytes=4000-9999', 4000, 4095],
        ] as const) {
          const part = await get(range)
          expectStatus(part, 206)
          assert.equal(part.headers.get('content-range'), `bytes ${start}-${end}/${BLOB_BYTES}`)
          assert.deepEqual(part.body, some.bytes.subarray(start, end + 1))
        }
      },
    },
    {
      name: 'a range that begins beyond the end is 416',
      run: async (api) => {
        const repository = newRepository()
        const some = await pushed(api, repository)
        const answer = await api.send('GET', `/v2/${repository}/blobs/${some.digest}`, {headers: {Range: `bytes=${BLOB_BYTES}-`}})
        expectStatus(answer, 416)
        assert.equal(answer.headers.get('content-range'), `bytes */${BLOB_BYTES}`)
      },
    },
    {
      name: 'ranges that make no sense spoil nothing',
      run: async (api) => {
        const repository = newRepository()
        const some = await pushed(api, repository)
        for (const range of ['bytes=500-0', 'bytes=5000-10000', 'bytes=a-b']) {
          const answer = await api.send('GET', `/v2/${repository}/blobs/${some.digest}`, {headers: {Range: range}})
          expectStatus(answer, 200, 416)
          if (answer.status === 200) assert.deepEqual(answer.body, some.bytes)
        }
      },
    },
    {
      name: 'an empty blob and the blob {} are blobs',
      run: async (api) => {
        const repository = newRepository()
        for (const some of [content(Buffer.alloc(0), algorithm), content(Buffer.from('{}'), algorithm)]) {
          expectStatus(
            await api.send('PUT', withDigest(await open(api, repository), some.digest), {headers: OCTETS, body: some.bytes}),
            201,
          )
          await expectPull(api, repository, some)
        }
      },
    },
    {
      name: 'a wrong digest is 400 DIGEST_INVALID in every way to push, and stores nothing',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        const wrong = [other(), other(), other(), other(), other()] as const
        const single = await postOnly(api, repository, wrong[0], some)
        expectStatus(single, 400, 202)
        expectError(
          await api.send('PUT', withDigest(await open(api, repository), wrong[1]), {headers: OCTETS, body: some.bytes}),
          400,
          'DIGEST_INVALID',
        )
        const chunked = await patchAll(api, await open(api, repository), some.bytes)
        expectError(await api.send('PUT', withDigest(chunked, wrong[2])), 400, 'DIGEST_INVALID')
        const split = await patchAll(api, await open(api, repository), some.bytes.subarray(0, CHUNK_BYTES))
        const last = {headers: chunkHeaders(CHUNK_BYTES, BLOB_BYTES - 1), body: some.bytes.subarray(CHUNK_BYTES)}
        expectError(await api.send('PUT', withDigest(split, wrong[3]), last), 400, 'DIGEST_INVALID')
        const streamed = await api.send('PATCH', await open(api, repository), {headers: OCTETS, body: stream(some.bytes)})
        expectError(await api.send('PUT', withDigest(locationOf(streamed), wrong[4])), 400, 'DIGEST_INVALID')
        for (const digest of wrong) expectStatus(await api.send('HEAD', `/v2/${repository}/blobs/${digest}`), 404)
      },
    },
    {
      name: 'a malformed digest is 400 DIGEST_INVALID',
      run: async (api) => {
        const [repository, some] = [newRepository(), blob()]
        for (const digest of [`${algorithm}:abc`, 'md5:d41d8cd98f00b204e9800998ecf8427e', `${algorithm}:${'z'.repeat(64)}`, 'none']) {
          const answer = await api.send('PUT', withDigest(await open(api, repository), digest), {headers: OCTETS, body: some.bytes})
          expectError(answer, 400, 'DIGEST_INVALID')
        }
      },
    },
    {
      name: 'a deleted blob is gone at once, and deleting it again is 404',
      run: async (api) => {
        const repository = newRepository()
        const some = await pushed(api, repository)
        const path = `/v2/${repository}/blobs/${some.digest}`
        expectStatus(await api.send('DELETE', path), 202)
        expectStatus(await api.send('GET', path), 404)
        expectError(await api.send('DELETE', path), 404, 'BLOB_UNKNOWN')
      },
    },
  ]
}

/** A repository that no other case uses. */
export function newRepository(): string {
  return `conformance/${randomUUID()}`
}

/** Both GET and HEAD show exactly the blob. */
export async function expectPull(api: RegistryApi, repository: string, {digest, bytes}: Content): Promise<void> {
  const path = `/v2/${repository}/blobs/${digest}`
  const [got, head] = [await api.send('GET', path), await api.send('HEAD', path)]
  expectStatus(got, 200)
  assert.ok(got.body.equals(bytes), 'the blob has other bytes')
  assert.equal(got.headers.get('docker-content-digest'), digest)
  expectStatus(head, 200)
  assert.equal(head.headers.get('content-length'), String(bytes.length))
}

async function patchAll(api: RegistryApi, location: string, bytes: Buffer<ArrayBuffer>, from = 0): Promise<string> {
  let at = location
  for (let start = from; start < bytes.length; start += CHUNK_BYTES) {
    const chunk = bytes.subarray(start, start + CHUNK_BYTES)
    const patched = await api.send('PATCH', at, {headers: chunkHeaders(start, start + chunk.length - 1), body: chunk})
    expectStatus(patched, 202)
    assert.equal(patched.headers.get('range'), `0-${start + chunk.length - 1}`)
    at = locationOf(patched)
  }
  return at
}

function chunkHeaders(start: number, end: number): Readonly<Record<string, string>> {
  return {...OCTETS, 'Content-Range': `${start}-${end}`}
}

function stream(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) controller.enqueue(bytes.subarray(at, at + CHUNK_BYTES))
      controller.close()
    },
  })
}
