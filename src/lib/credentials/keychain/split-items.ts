/**
 * Values that are too large for one item, over several: Windows Credential Manager takes 2,560 bytes (CRED_MAX_CREDENTIAL_BLOB_SIZE).
 *
 * A value that fits is `=` and its bytes. A larger one has a head, `#<generation>:<parts>`, and parts under the head's name with `#<generation>.<number>`. New parts
 * are written under a new generation before the head names them, and old ones deleted after: whoever dies in between leaves the old value or the new one, whole.
 */
import type {ItemStore} from './item-store.ts'

const WHOLE = '='
const HEAD = /^#([0-9a-f]{16}):([1-9][0-9]{0,3})$/
const GENERATION_BYTES = 8
/** Another process may replace the value while its parts are read: then the head is read anew. */
const MAX_READS = 5

interface Head {
  readonly generation: string
  readonly parts: number
}

/** Makes items of any size out of items of at most `maxItemBytes`. */
export function createSplitItems(items: ItemStore, maxItemBytes: number): ItemStore {
  const deleteParts = async (name: string, head: Head | undefined): Promise<void> => {
    for (const part of partNames(name, head)) await items.deleteItem(part)
  }
  return {
    async readItem(name) {
      for (let attempt = 0; attempt < MAX_READS; attempt += 1) {
        const value = await items.readItem(name)
        if (value === undefined) return undefined
        const head = parseHead(value)
        if (head === undefined) return value.subarray(WHOLE.length)
        const parts = await Promise.all(partNames(name, head).map((part) => items.readItem(part)))
        const present = parts.filter((part) => part !== undefined)
        if (present.length === parts.length) return Buffer.concat(present)
      }
      return undefined
    },
    async writeItem(name, value) {
      const old = parseHead(await items.readItem(name))
      const whole = Buffer.concat([Buffer.from(WHOLE), value])
      if (whole.length <= maxItemBytes) await items.writeItem(name, whole)
      else {
        // Loaded where it is needed: it takes a tenth of the time that the credential helper has.
        const {randomBytes} = await import('node:crypto')
        const head = {generation: randomBytes(GENERATION_BYTES).toString('hex'), parts: Math.ceil(value.length / maxItemBytes)}
        for (const [position, part] of partNames(name, head).entries()) {
          await items.writeItem(part, value.subarray(position * maxItemBytes, (position + 1) * maxItemBytes))
        }
        await items.writeItem(name, Buffer.from(`#${head.generation}:${head.parts}`))
      }
      await deleteParts(name, old)
    },
    async deleteItem(name) {
      const old = parseHead(await items.readItem(name))
      const existed = await items.deleteItem(name)
      await deleteParts(name, old)
      return existed
    },
  }
}

function parseHead(value: Buffer | undefined): Head | undefined {
  const [, generation, parts] = HEAD.exec(value?.toString('latin1') ?? '') ?? []
  return generation === undefined ? undefined : {generation, parts: Number(parts)}
}

function partNames(name: string, head: Head | undefined): readonly string[] {
  return Array.from({length: head?.parts ?? 0}, (_, position) => `${name}#${head?.generation}.${position}`)
}
