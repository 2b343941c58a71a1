import assert from 'node:assert/strict'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {embeddedEvents} from '../../../src/lib/server/collector/embedded-events.ts'
import type {RequestEvent} from '../../../src/lib/server/server-events.ts'

const manifest = {digest: digestOf(Buffer.from('manifest')), mediaType: MEDIA_TYPE.ociManifest, size: 8}
const store = {statManifest: async () => manifest}

function request(method: string, reference: string, tags?: readonly string[]): RequestEvent {
  return {
    type: 'request',
    requestId: '11111111-1111-4111-8111-111111111111',
    method,
    path: `/v2/team/app/manifests/${reference}`,
    status: 201,
    receivedBytes: 0,
    sentBytes: 0,
    durationMs: 1,
    remoteAddress: '127.0.0.1',
    tags,
    isCutShort: false,
  }
}

describe('what happens at the embedded registry', () => {
  it('is one event for each tag that a push by digest set, each with an id of its own', async () => {
    const events = await embeddedEvents(request('PUT', manifest.digest, ['v1', 'latest']), store)
    assert.deepEqual(
      events.map((event) => [event.action, 'tag' in event ? event.tag : undefined]),
      [
        ['push', 'v1'],
        ['push', 'latest'],
      ],
    )
    assert.equal(new Set(events.map(({id}) => id)).size, 2)
  })

  it('is one event without a tag for a push by digest alone, and one with it for a push by tag', async () => {
    for (const [reference, tag] of [
      [manifest.digest, undefined],
      ['v1', 'v1'],
    ] as const) {
      const events = await embeddedEvents(request('PUT', reference, []), store)
      assert.deepEqual(
        events.map((event) => ('tag' in event ? event.tag : undefined)),
        [tag],
      )
    }
  })

  it('is none for a look at a manifest', async () => {
    assert.deepEqual(await embeddedEvents(request('HEAD', 'v1'), store), [])
  })
})
