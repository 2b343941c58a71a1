/** A mirror whose upstream takes questions and answers none: clients, and nginx before the mirror, get an answer long before they give up. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {createFilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {createDiskCache} from '../../../src/lib/content/pull-through/disk-cache.ts'
import type {UpstreamStore} from '../../../src/lib/content/pull-through/upstream.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {type ServedMirror, serveMirror} from '../../../src/lib/server/mirror.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const TIMEOUT_MS = 200
const DIGEST = digestOf(Buffer.from('a layer'))

describe('a mirror whose upstream does not answer', () => {
  let directory: TemporaryDirectory
  let mirror: ServedMirror
  let base: string
  let release: () => void
  const failures: unknown[] = []

  beforeEach(async () => {
    directory = await createTemporaryDirectory('answer-timeout')
    failures.length = 0
    const {promise: released, resolve} = Promise.withResolvers<void>()
    release = resolve
    const missing = (): Promise<undefined> => released.then(() => undefined)
    const silent: UpstreamStore = {
      statManifest: missing,
      readManifest: missing,
      statBlob: async (repository) => (repository.endsWith('begun') ? 7 : await missing()),
      readBlob: () => released,
      listReferrers: () => released.then(() => []),
      async *listTags() {
        await released
        yield* []
      },
    }
    mirror = await serveMirror({
      host: '127.0.0.1',
      port: 0,
      rules: [],
      answerTimeoutMs: TIMEOUT_MS,
      upstreams: [
        {
          name: 'registry.example.com',
          path: parseRepositoryName('registry.example.com'),
          store: silent,
          openCache: async () => createDiskCache({disk: createFilesystemStore({root: join(directory.path, 'cache')})}),
        },
      ],
      listener: (event) => {
        if (event.type === 'failure') failures.push(event.error)
      },
    })
    base = `http://127.0.0.1:${mirror.address.port}/v2/shop`
  })

  afterEach(async () => {
    release()
    await mirror.stop({graceMs: 0})
    await directory.remove()
  })

  for (const path of [
    'web/manifests/v1',
    `web/manifests/${DIGEST}`,
    `web/blobs/${DIGEST}`,
    `begun/blobs/${DIGEST}`,
    'web/tags/list',
    `web/referrers/${DIGEST}`,
  ]) {
    it(`says 503 in time for ${path.replace(DIGEST, 'DIGEST')}`, async () => {
      const answer = await fetch(`${base}/${path}`)
      const [error] = ((await answer.json()) as {errors: {code: string}[]}).errors
      assert.deepEqual([answer.status, error?.code, answer.headers.get('retry-after')], [503, 'UNAVAILABLE', '5'])
      assert.equal(answer.headers.get('docker-content-digest'), null)
      assert.deepEqual(failures, [])
    })
  }

  it('says what the upstream said as soon as it has answered', async () => {
    assert.equal((await fetch(`${base}/web/manifests/v1`)).status, 503)
    release()
    assert.equal((await fetch(`${base}/web/manifests/v1`)).status, 404)
  })
})
