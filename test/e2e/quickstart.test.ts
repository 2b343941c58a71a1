import assert from 'node:assert/strict'
import {join} from 'node:path'
import {runOk} from '../support/run-program.ts'

const QUICKSTART = join(import.meta.dirname, '../../scripts/quickstart.ts')

describe('the quickstart', function () {
  this.timeout(180_000)

  it('caches a sample image, stops its origin, pulls it back with the same digest, and says what to type next', async () => {
    const said = await runOk(process.execPath, [QUICKSTART, '--no-build'])
    const copied = /demo\/hello@(sha256:[0-9a-f]{64})/.exec(said)?.[1]
    const pinned = /reference to deploy: (127\.0\.0\.1:\d+\/[0-9a-f-]{36}@(sha256:[0-9a-f]{64}))/.exec(said)
    assert.equal(pinned?.[2], copied)
    assert.match(said, /verified: 7 blobs and manifests/)
    assert.match(said, /holdfast cache-image alpine:3\.20/)
  })
})
