import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {UploadCheck} from '../../../src/lib/content/remote/upload-check.ts'
import type {ByteSink} from '../../../src/lib/core/byte-sink.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {sourceOf} from '../../integration/remote/scripted-registry.ts'

const MIB = 1024 * 1024
const BYTES = randomBytes(12 * MIB)
const BLOB = {digest: digestOf(BYTES), size: BYTES.length}

function collector(): {readonly sink: ByteSink; readonly bytes: () => Buffer} {
  const chunks: Uint8Array[] = []
  const write: ByteSink['write'] = (chunk, release) => {
    chunks.push(Uint8Array.from(chunk))
    release()
    return true
  }
  return {sink: {write}, bytes: () => Buffer.concat(chunks)}
}

describe('the check of an upload that is resumed', () => {
  for (const [offsetMib, startMib] of [
    [5, 4],
    [4, 4],
    [9, 8],
    [1, 0],
  ] as const) {
    it(`reads again from ${startMib} MiB for byte ${offsetMib} Mi on, where it knows the state of the hash, and sends nothing twice`, async () => {
      const check = new UploadCheck(BLOB, 'write', true)
      await check.push(sourceOf(BYTES, MIB).source, 0, collector().sink, undefined)
      const {source, starts} = sourceOf(BYTES, MIB)
      const target = collector()
      await check.push(source, offsetMib * MIB, target.sink, undefined)
      assert.deepEqual(starts, [startMib * MIB])
      assert.ok(target.bytes().equals(BYTES.subarray(offsetMib * MIB)))
    })
  }

  it('refuses a source that is another one the second time', async () => {
    const check = new UploadCheck(BLOB, 'write', true)
    await check.push(sourceOf(BYTES, MIB).source, 0, collector().sink, undefined)
    const other = Buffer.from(BYTES)
    other[11 * MIB] = (other[11 * MIB] ?? 0) ^ 1
    await assert.rejects(check.push(sourceOf(other, MIB).source, 5 * MIB, collector().sink, undefined), (error) =>
      hasCode(error, 'INTEGRITY'),
    )
  })
})
