import assert from 'node:assert/strict'
import {setImmediate as nextTurn} from 'node:timers/promises'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {parseNamed, parseTag, type Tag} from '../../../src/lib/oci/reference.ts'
import {statTags} from '../../../src/lib/tags/list-tags.ts'
import {MemoryStore} from '../../support/memory-store.ts'

/** A registry that has lost the manifests of its first page of tags, and refuses the second page. */
class BrokenStore extends MemoryStore {
  override async *listTags(): AsyncGenerator<Tag> {
    yield parseTag('v1')
    // The failure of `v1` is long there when the next page is asked for.
    await nextTurn()
    await nextTurn()
    throw new HoldfastError('DENIED', 'cannot list tags: no second page')
  }

  override async statManifest(): Promise<never> {
    throw new HoldfastError('NETWORK', 'cannot read manifest: the connection broke')
  }
}

describe('tags that are looked up while the next page is read', () => {
  it('fail with what the page says, and leave no rejection that nothing handles', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', listener)
    try {
      await assert.rejects(statTags(parseNamed('registry.example.com/shop/web'), new BrokenStore()), (error) => hasCode(error, 'DENIED'))
      await nextTurn()
    } finally {
      process.off('unhandledRejection', listener)
    }
    assert.deepEqual(unhandled, [])
  })
})
