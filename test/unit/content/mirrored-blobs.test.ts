import assert from 'node:assert/strict'
import {MirroredBlobs} from '../../../src/lib/content/pull-through/blobs.ts'
import type {MirrorCache} from '../../../src/lib/content/pull-through/cache.ts'
import {CacheGuard} from '../../../src/lib/content/pull-through/cache-guard.ts'
import {Upstream, type UpstreamStore} from '../../../src/lib/content/pull-through/upstream.ts'
import type {ByteSink} from '../../../src/lib/core/byte-sink.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'

const DISCARDING: ByteSink = {write: () => true}

describe('the blobs of a mirror', () => {
  it('are fetched once, also when one arrives while a client waits for the answer that it is not there', async () => {
    const bytes = Buffer.from('a layer')
    const blob = {digest: digestOf(bytes), size: bytes.length}
    const repository = parseRepositoryName('shop/web')
    const give = async (sink: ByteSink): Promise<void> => {
      sink.write(bytes, () => {})
    }
    let fetches = 0
    const source = {
      async readBlob(_repository, _blob, sink) {
        fetches++
        await give(sink)
      },
    } as Partial<UpstreamStore> as UpstreamStore
    let isKept = false
    const slowAnswer = Promise.withResolvers<undefined>()
    const answers = [slowAnswer.promise, Promise.resolve(undefined)]
    const cache = {
      statBlob: () => answers.shift() ?? Promise.resolve(isKept ? bytes.length : undefined),
      async fillBlob(_repository, _blob, bring, _file, signal) {
        await bring(DISCARDING, 0, signal)
        isKept = true
      },
      readBlob: async (_repository, _blob, sink) => await give(sink),
    } as Partial<MirrorCache> as MirrorCache
    const blobs = new MirroredBlobs({
      cache,
      upstream: new Upstream({name: 'docker.io', store: source, now: Date.now}),
      guard: new CacheGuard({now: Date.now, hasAlternative: () => true, onFailure: () => assert.fail('the cache answers')}),
      onEvent: () => {},
      onFilled: async () => {},
      end: new AbortController().signal,
    })
    const received: Buffer[] = []
    const sink: ByteSink = {write: (chunk) => received.push(Buffer.from(chunk)) > 0}

    const late = blobs.read(repository, blob, sink)
    await blobs.read(repository, blob, sink)
    await blobs.allFilled()
    slowAnswer.resolve(undefined)
    await late

    assert.deepEqual(received, [bytes, bytes])
    assert.equal(fetches, 1)
  })
})
