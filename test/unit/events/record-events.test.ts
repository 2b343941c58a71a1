import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import type {IndexChange} from '../../../src/lib/events/index-changes.ts'
import {createEventRecorder} from '../../../src/lib/events/record-events.ts'
import type {EventFacts, ManifestEvent} from '../../../src/lib/events/registry-event.ts'
import type {Digest} from '../../../src/lib/oci/digest.ts'
import type {RepositoryName, Tag} from '../../../src/lib/oci/reference.ts'
import {MemoryEventLog} from '../../support/memory-event-log.ts'
import {MemoryIndex} from '../../support/memory-index.ts'

const WEB = 'shop/web' as RepositoryName
const BASE = 'shop/base' as RepositoryName
const ONE = `sha256:${'1'.repeat(64)}` as Digest
const TWO = `sha256:${'2'.repeat(64)}` as Digest
const AT = '2026-11-20T10:00:00.000Z'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

function facts(id: string, more: Partial<EventFacts> = {}): EventFacts {
  return {id, occurredAt: AT, repository: WEB, ...more}
}

function push(id: string, tag: string | undefined, digest: Digest = ONE): ManifestEvent {
  return {...facts(id), action: 'push', digest, mediaType: MANIFEST, tag: tag as Tag | undefined}
}

function pull(id: string, more: Partial<EventFacts> = {}): ManifestEvent {
  return {...facts(id, more), action: 'pull', digest: ONE, mediaType: MANIFEST}
}

function setUp() {
  const log = new MemoryEventLog()
  const index = new MemoryIndex()
  return {log, index, recorder: createEventRecorder({log, index, ownActor: 'collector'})}
}

describe('events of a registry', () => {
  it('are kept in the log and applied to the index in their order', async () => {
    const {log, index, recorder} = setUp()
    assert.deepEqual(await recorder.record('internal', [push('1', 'v1', ONE), push('2', 'v1', TWO), push('3', 'v2', TWO)]), {
      recorded: 3,
      known: 0,
      own: 0,
    })
    assert.deepEqual(index.content, {'shop/web:v1': TWO, 'shop/web:v2': TWO})
    assert.equal(log.kept.size, 3)
  })

  it('that come again change nothing, in the same notification or in another; another registry may use the same id', async () => {
    const {index, log, recorder} = setUp()
    await recorder.record('internal', [push('1', 'v1', ONE)])
    await recorder.record('internal', [push('2', 'v1', TWO)])
    const again = await recorder.record('internal', [push('1', 'v1', ONE), push('3', 'v2'), push('3', 'v3')])
    assert.deepEqual(again, {recorded: 1, known: 2, own: 0})
    assert.deepEqual(index.content, {'shop/web:v1': TWO, 'shop/web:v2': ONE})
    assert.equal((await recorder.record('other', [push('1', 'v1', ONE)])).recorded, 1)
    assert.equal(log.kept.size, 4)
  })

  it('of a delete take the manifest and then its tags out of the index, and leave the others', async () => {
    const {index, recorder} = setUp()
    await recorder.record('internal', [push('1', 'v1', ONE), push('2', 'latest', ONE), push('3', 'v2', TWO)])
    await recorder.record('internal', [
      {...facts('4', {requestId: 'r'}), action: 'delete', digest: ONE},
      {...facts('5', {requestId: 'r'}), action: 'delete', tag: 'latest' as Tag},
    ])
    await recorder.record('internal', [{...facts('6', {requestId: 'r'}), action: 'delete', tag: 'v1' as Tag}])
    assert.deepEqual(index.content, {'shop/web:v2': TWO})
    assert.deepEqual(
      index.changes.slice(3).map(({kind}) => kind),
      ['manifest-deleted', 'tag-deleted', 'tag-deleted'],
    )
  })

  it('of a pull are counted, but for a HEAD; both are in the log', async () => {
    const {index, log, recorder} = setUp()
    await recorder.record('internal', [
      push('1', 'v1'),
      pull('2', {method: 'GET', actor: 'alice'}),
      pull('3', {method: 'HEAD', actor: 'alice'}),
    ])
    assert.equal(index.repositories.get(WEB)?.pulls, 1)
    assert.equal(log.kept.size, 3)
  })

  it('of the collector itself are left out, since it records what it does itself', async () => {
    const {index, log, recorder} = setUp()
    const own = {actor: 'collector', method: 'GET'}
    const recorded = await recorder.record('internal', [
      push('1', 'v1'),
      pull('2', own),
      {...facts('3', own), action: 'delete', tag: 'v1' as Tag},
    ])
    assert.deepEqual(recorded, {recorded: 1, known: 0, own: 2})
    assert.deepEqual(
      [...log.kept.values()].map(({id}) => id),
      ['1'],
    )
    assert.equal(index.repositories.get(WEB)?.pulls, 0)
  })

  it('of a mount tell the index where the blob came from; of a manifest without a tag nothing', async () => {
    const {index, recorder} = setUp()
    await recorder.record('internal', [push('1', undefined), {...facts('2'), action: 'mount', digest: TWO, fromRepository: BASE}])
    assert.deepEqual(index.changes, [{kind: 'mounted', repository: WEB, at: AT, digest: TWO, fromRepository: BASE}] satisfies IndexChange[])
  })

  it('are handed to the log in batches that a database takes', async () => {
    const {index, log, recorder} = setUp()
    const events = Array.from({length: 1001}, (_, position) => push(String(position), `v${position}`))
    assert.equal((await recorder.record('internal', events)).recorded, 1001)
    assert.deepEqual(log.batches, [500, 500, 1])
    assert.equal(Object.keys(index.content).length, 1001)
  })

  it('wait for those that came before, however slow the log was; other registries do not', async () => {
    const {index, log, recorder} = setUp()
    let goOn = (): void => {}
    let isFirst = true
    log.delay = () => {
      if (!isFirst) return Promise.resolve()
      isFirst = false
      return new Promise((resolve) => {
        goOn = resolve
      })
    }
    const slow = recorder.record('internal', [push('1', 'v1', ONE)])
    const next = recorder.record('internal', [push('2', 'v1', TWO)])
    await recorder.record('other', [push('1', 'other', ONE)])
    assert.deepEqual(index.content, {'shop/web:other': ONE})
    goOn()
    await Promise.all([slow, next])
    assert.deepEqual(index.content, {'shop/web:other': ONE, 'shop/web:v1': TWO})
  })

  it('are refused for another time when too many wait, and taken again later', async () => {
    const {log, recorder} = setUp()
    let goOn = (): void => {}
    const stuck = new Promise<void>((resolve) => {
      goOn = resolve
    })
    log.delay = () => stuck
    const waiting = Array.from({length: 256}, (_, position) => recorder.record('internal', [push(String(position), 'v1')]))
    await assert.rejects(recorder.record('internal', [push('late', 'v1')]), (error) => hasCode(error, 'STORAGE'))
    goOn()
    await Promise.all(waiting)
    assert.equal((await recorder.record('internal', [push('late', 'v1')])).recorded, 1)
  })

  it('that the log could not keep are an error, and can be delivered again', async () => {
    const {index, log, recorder} = setUp()
    log.delay = async () => {
      throw new Error('the disk is full')
    }
    await assert.rejects(recorder.record('internal', [push('1', 'v1')]), /disk is full/)
    assert.deepEqual(index.content, {})
    log.delay = async () => {}
    assert.equal((await recorder.record('internal', [push('1', 'v1')])).recorded, 1)
    assert.deepEqual(index.content, {'shop/web:v1': ONE})
  })
})
