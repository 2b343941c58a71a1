import assert from 'node:assert/strict'
import {TransferTally} from '../../../src/lib/cli/transfer-tally.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'

const blob = (name: string, size: number) => ({mediaType: 'application/octet-stream', digest: digestOf(Buffer.from(name)), size})
const [layer, base] = [blob('layer', 8_000_000), blob('base', 2_000_000)]
const names = {source: 'a', target: 'b'}

describe('the tally of a transfer', () => {
  it('tells images, blobs, bytes, speed and time left', () => {
    const tally = new TransferTally()
    tally.count({type: 'image-started', ...names}, 0)
    tally.count({type: 'blobs-found', source: 'a', blobs: [layer, base]}, 0)
    tally.count({type: 'bytes-moved', bytes: 0}, 0)
    tally.count({type: 'bytes-moved', bytes: 4_000_000}, 2000)
    assert.equal(tally.format(2000), '0 of 1 image, 0 of 2 blobs, 4.00 MB of 10.0 MB, 2.00 MB/s, 3 s left')
  })

  it('leaves out of the total what the target has', () => {
    const tally = new TransferTally()
    tally.count({type: 'image-started', ...names}, 0)
    tally.count({type: 'blobs-found', source: 'a', blobs: [layer, base]}, 0)
    tally.count({type: 'blob-finished', blob: base, outcome: 'mounted'}, 0)
    assert.equal(tally.format(0), '0 of 1 image, 1 of 2 blobs, 0 B of 8.00 MB')
  })

  it('says that it is retrying for as long as it shows less than before', () => {
    const tally = new TransferTally()
    tally.count({type: 'image-started', ...names}, 0)
    tally.count({type: 'blobs-found', source: 'a', blobs: [layer]}, 0)
    tally.count({type: 'bytes-moved', bytes: 4_000_000}, 0)
    tally.count({type: 'bytes-moved', bytes: -4_000_000}, 0)
    assert.equal(tally.format(60_000), '0 of 1 image, 0 of 1 blob, 0 B of 8.00 MB, retrying 4.00 MB')
    tally.count({type: 'bytes-moved', bytes: 3_000_000}, 0)
    assert.equal(tally.format(60_000), '0 of 1 image, 0 of 1 blob, 3.00 MB of 8.00 MB, retrying 1.00 MB')
    tally.count({type: 'bytes-moved', bytes: 2_000_000}, 0)
    assert.equal(tally.format(60_000), '0 of 1 image, 0 of 1 blob, 5.00 MB of 8.00 MB')
  })

  it('takes back what is sent again, and says what failed', () => {
    const tally = new TransferTally()
    tally.count({type: 'image-started', ...names}, 0)
    tally.count({type: 'blobs-found', source: 'a', blobs: [layer]}, 0)
    tally.count({type: 'bytes-moved', bytes: 4_000_000}, 0)
    tally.count({type: 'bytes-moved', bytes: -4_000_000}, 0)
    tally.count({type: 'image-failed', ...names, error: new Error('gone')}, 0)
    assert.equal(tally.format(60_000), '1 of 1 image (1 failed), 0 of 1 blob, 0 B of 8.00 MB')
  })

  it('forgets the speed of long ago', () => {
    const tally = new TransferTally()
    tally.count({type: 'blobs-found', source: 'a', blobs: [layer]}, 0)
    tally.count({type: 'bytes-moved', bytes: 4_000_000}, 1000)
    assert.doesNotMatch(tally.format(60_000), /left/)
  })
})
