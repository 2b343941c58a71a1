import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {createFilesystemStore, type FilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {BlobFill} from '../../../src/lib/content/pull-through/fill.ts'
import {CollectingSink} from '../../../src/lib/content/read-bytes.ts'
import type {BlobSource} from '../../../src/lib/content/store.ts'
import type {ByteSink} from '../../../src/lib/core/byte-sink.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {until} from '../../support/until.ts'

const MIB = 1024 * 1024
const BYTES = randomBytes(6 * MIB)
const HALF = BYTES.length / 2
const REPOSITORY = parseRepositoryName('shop/web')

/** Takes what it is given and gives nothing back until told. */
class HoldingClient implements ByteSink {
  receivedBytes = 0
  readonly releases: (() => void)[] = []
  isHolding = true

  write(chunk: Uint8Array, release: () => void): boolean {
    this.receivedBytes += chunk.length
    if (this.isHolding) this.releases.push(release)
    else release()
    return !this.isHolding
  }

  goOn(): void {
    this.isHolding = false
    for (const release of this.releases.splice(0)) release()
  }
}

describe('a blob on its way into a mirror', () => {
  const blob = {digest: digestOf(BYTES), size: BYTES.length}
  let disk: FilesystemStore
  let remove: () => Promise<void>

  beforeEach(async () => {
    const temporary = await createTemporaryDirectory('fill')
    disk = createFilesystemStore({root: temporary.path})
    remove = temporary.remove
  })

  afterEach(async () => {
    await disk.close()
    await remove()
  })

  const fillFrom = (source: BlobSource): BlobFill => new BlobFill(blob, (growth) => disk.writeBlob(REPOSITORY, blob, source, {growth}))

  const push = (sink: ByteSink, bytes: Uint8Array): Promise<void> => new Promise((resolve) => sink.write(bytes, resolve))

  /** Sends the first half, and the second one when told. */
  function heldSource(): {readonly source: BlobSource; readonly goOn: () => void} {
    const {promise, resolve} = Promise.withResolvers<void>()
    return {
      goOn: resolve,
      source: async (sink) => {
        await push(sink, BYTES.subarray(0, HALF))
        await promise
        await push(sink, BYTES.subarray(HALF))
      },
    }
  }

  it('is delayed by no client that holds what it was given, and neither are other clients', async () => {
    const {source, goOn} = heldSource()
    const fill = fillFrom(source)
    const [stalled, fast] = [new HoldingClient(), new CollectingSink()]
    const held = fill.follow(stalled)
    const followed = fill.follow(fast)
    await until(() => stalled.receivedBytes > 0)
    goOn()
    assert.deepEqual(await followed, {position: BYTES.length})
    assert.ok(fast.bytes().equals(BYTES))
    await fill.done
    assert.ok(stalled.receivedBytes < BYTES.length, 'it was given more though it held all of it')
    stalled.goOn()
    assert.deepEqual(await held, {position: BYTES.length})
    assert.equal(stalled.receivedBytes, BYTES.length)
  })

  it('gives late clients, and ranges that are there, their bytes before the rest comes', async () => {
    const {source, goOn} = heldSource()
    const fill = fillFrom(source)
    const first = new CollectingSink()
    const followed = fill.follow(first)
    await until(() => first.bytes().length === HALF)
    const [late, range, later] = [new CollectingSink(), new CollectingSink(), new CollectingSink()]
    const whole = fill.follow(late)
    assert.deepEqual(await fill.follow(range, {range: {start: 1000, end: HALF - 1}}), {position: HALF})
    assert.ok(range.bytes().equals(BYTES.subarray(1000, HALF)))
    const tail = fill.follow(later, {range: {start: HALF - 10}})
    await until(() => late.bytes().length === HALF && later.bytes().length === 10)
    goOn()
    await Promise.all([followed, whole, tail])
    assert.ok(first.bytes().equals(BYTES) && late.bytes().equals(BYTES))
    assert.ok(later.bytes().equals(BYTES.subarray(HALF - 10)))
  })

  it('is never given whole when its bytes are wrong', async () => {
    const wrong = Buffer.from(BYTES)
    wrong[HALF] = (wrong[HALF] ?? 0) ^ 1
    const fill = fillFrom((sink) => push(sink, wrong))
    const client = new CollectingSink()
    const {position, failure} = await fill.follow(client)
    assert.ok(hasCode(failure, 'INTEGRITY'))
    assert.deepEqual([position, client.bytes().length], [BYTES.length - 1, BYTES.length - 1])
    await assert.rejects(fill.done)
    assert.equal(await disk.statBlob(REPOSITORY, blob.digest), undefined)
  })

  it('tells clients how far they came when the download breaks off', async () => {
    const fill = fillFrom(async (sink) => {
      await push(sink, BYTES.subarray(0, HALF))
      throw new HoldfastError('NETWORK', 'broken')
    })
    const {position, failure} = await fill.follow(new CollectingSink())
    assert.deepEqual([position, hasCode(failure, 'NETWORK')], [HALF, true])
  })

  it('leaves clients to the store that has it already, or has no file that grows', async () => {
    await disk.writeBlob(REPOSITORY, blob, (sink) => push(sink, BYTES))
    const fill = fillFrom(() => assert.fail('it was fetched again'))
    assert.deepEqual(await fill.follow(new CollectingSink()), {position: 0})
  })

  it('goes on without a client that leaves', async () => {
    const {source, goOn} = heldSource()
    const fill = fillFrom(source)
    const leaving = new AbortController()
    const stalled = new HoldingClient()
    const held = fill.follow(stalled, {signal: leaving.signal})
    await until(() => stalled.receivedBytes > 0)
    leaving.abort()
    await assert.rejects(held)
    goOn()
    await fill.done
    assert.equal(await disk.statBlob(REPOSITORY, blob.digest), BYTES.length)
  })
})
