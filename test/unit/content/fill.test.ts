import assert from 'node:assert/strict'
import {setImmediate as turn} from 'node:timers/promises'
import {BlobFill} from '../../../src/lib/content/pull-through/fill.ts'
import type {ByteSink} from '../../../src/lib/core/byte-sink.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'

const BYTES = Buffer.from('abcdefghij')

/** Keeps what it is given, and says after so many slices that it is full. */
class Client implements ByteSink {
  text = ''
  readonly releases: (() => void)[] = []
  readonly #fullAfter: number
  #isFull = false

  constructor(fullAfter: number) {
    this.#fullAfter = fullAfter
  }

  write(chunk: Uint8Array, release: () => void): boolean {
    assert.equal(this.#isFull, false, 'it was given more though it was full')
    this.text += Buffer.from(chunk).toString()
    this.releases.push(release)
    this.#isFull = this.releases.length >= this.#fullAfter
    return !this.#isFull
  }
}

describe('a blob on its way into a mirror', () => {
  const blob = {digest: digestOf(BYTES), size: BYTES.length}

  it('goes to the store and to who keeps up, each byte once, through a download that was resumed', async () => {
    let stored = ''
    const sources: number[] = []
    const begin = Promise.withResolvers<void>()
    const fill = new BlobFill(
      blob,
      async (sink, start) => {
        await begin.promise
        sources.push(start)
        // The first download breaks off in the midst of what was already given.
        const slices = start === 0 ? [BYTES.subarray(0, 4), BYTES.subarray(4, 6)] : [BYTES.subarray(start, 8), BYTES.subarray(8)]
        for (const slice of slices) sink.write(slice, () => {})
      },
      async (source) => {
        const sink: ByteSink = {
          write(chunk, release) {
            stored += Buffer.from(chunk).toString()
            release()
            return true
          },
        }
        await source(sink, 0)
        stored = stored.slice(0, 5)
        await source(sink, 5)
      },
    )
    const client = new Client(100)
    const followed = fill.follow(client)
    begin.resolve()
    for (let round = 0; round < 5; round++) await turn()
    for (const release of client.releases) release()
    assert.deepEqual(await followed, {position: BYTES.length})
    assert.deepEqual([client.text, stored, sources], ['abcdefghij', 'abcdefghij', [0, 5]])
  })

  it('leaves behind who does not keep up, until he has given back what he holds', async () => {
    const begin = Promise.withResolvers<void>()
    const fill = new BlobFill(
      blob,
      async (sink) => {
        await begin.promise
        for (const byte of BYTES) sink.write(Uint8Array.of(byte), () => {})
      },
      (source) => {
        const sink: ByteSink = {
          write(_chunk, release) {
            release()
            return true
          },
        }
        return source(sink, 0)
      },
    )
    const client = new Client(3)
    let position: number | undefined
    const followed = fill.follow(client).then((end) => {
      position = end.position
    })
    begin.resolve()
    await fill.done
    for (let round = 0; round < 5; round++) await turn()
    assert.equal(position, undefined, 'it went on before everything was given back')
    for (const release of client.releases) release()
    await followed
    assert.deepEqual([position, client.text], [3, 'abc'])
  })

  it('fails for everybody who follows it when it fails', async () => {
    const fill = new BlobFill(
      blob,
      async () => {
        throw new Error('broken')
      },
      (source) => source({write: () => true}, 0),
    )
    assert.match(String((await fill.follow(new Client(1))).failure), /broken/)
  })
})
