import assert from 'node:assert/strict'
import type {ItemStore} from '../../../src/lib/credentials/keychain/item-store.ts'
import {createSplitItems} from '../../../src/lib/credentials/keychain/split-items.ts'

const MAX_ITEM_BYTES = 64
const NAME = 'https://ann@registry.example.com'

/** A keychain in memory that refuses items above the limit, and dies after so many changes. */
class LimitedItems implements ItemStore {
  readonly items = new Map<string, Buffer>()
  changesLeft = Number.POSITIVE_INFINITY

  async readItem(name: string): Promise<Buffer | undefined> {
    return this.items.get(name)
  }

  async writeItem(name: string, value: Buffer): Promise<void> {
    this.#change()
    if (value.length > MAX_ITEM_BYTES) throw new Error(`${value.length} bytes are too many`)
    this.items.set(name, Buffer.from(value))
  }

  async deleteItem(name: string): Promise<boolean> {
    this.#change()
    return this.items.delete(name)
  }

  #change(): void {
    if (this.changesLeft === 0) throw new Error('died')
    this.changesLeft -= 1
  }
}

describe('values split over items of a limited size', () => {
  const sizes = [0, 1, 63, 64, 65, 640, 1_000]
  const value = (size: number, fill: string): Buffer => Buffer.alloc(size, fill)

  for (const size of sizes) {
    it(`come back whole with ${size} bytes, and leave nothing behind when they are deleted`, async () => {
      const limited = new LimitedItems()
      const split = createSplitItems(limited, MAX_ITEM_BYTES)
      await split.writeItem(NAME, value(size, 'a'))
      assert.deepEqual(await split.readItem(NAME), value(size, 'a'))
      assert.equal(await split.deleteItem(NAME), true)
      assert.equal(await split.deleteItem(NAME), false)
      assert.equal(await split.readItem(NAME), undefined)
      assert.deepEqual([...limited.items.keys()], [])
    })
  }

  it('keep what looks like their own bookkeeping as it is', async () => {
    const split = createSplitItems(new LimitedItems(), MAX_ITEM_BYTES)
    for (const text of ['#0123456789abcdef:2', '=', '#', '']) {
      await split.writeItem(NAME, Buffer.from(text))
      assert.equal(String(await split.readItem(NAME)), text)
    }
  })

  it('are the old or the new one, whole, wherever the writer dies', async () => {
    for (const [before, after] of [
      [10, 200],
      [200, 10],
      [200, 300],
      [300, 200],
    ] as const) {
      for (let changes = 0; ; changes += 1) {
        const limited = new LimitedItems()
        const split = createSplitItems(limited, MAX_ITEM_BYTES)
        await split.writeItem(NAME, value(before, 'o'))
        limited.changesLeft = changes
        const died = await split.writeItem(NAME, value(after, 'n')).then(
          () => false,
          () => true,
        )
        limited.changesLeft = Number.POSITIVE_INFINITY
        const kept = String(await split.readItem(NAME))
        assert.ok(
          [String(value(before, 'o')), String(value(after, 'n'))].includes(kept),
          `${before} → ${after}, dead after ${changes}: "${kept}"`,
        )
        if (died) continue
        assert.equal(kept, String(value(after, 'n')))
        const parts = after < MAX_ITEM_BYTES ? 0 : Math.ceil(after / MAX_ITEM_BYTES)
        assert.equal(limited.items.size, 1 + parts, 'old parts were left behind')
        break
      }
    }
  })

  it('are read whole while another process replaces them', async () => {
    const limited = new LimitedItems()
    const split = createSplitItems(limited, MAX_ITEM_BYTES)
    await split.writeItem(NAME, value(200, 'o'))
    const reads = Array.from({length: 20}, () => split.readItem(NAME))
    await split.writeItem(NAME, value(300, 'n'))
    for (const read of await Promise.all(reads)) assert.match(String(read), /^(?:o{200}|n{300})$/)
  })
})
