import assert from 'node:assert/strict'
import fc from 'fast-check'
import {decodeNotifications, MAX_NOTIFICATION_BYTES} from '../../../src/lib/events/decode-notifications.ts'
import {isDigest} from '../../../src/lib/oci/digest.ts'
import {isRepositoryName, isTag} from '../../../src/lib/oci/reference.ts'

const V1 = 'application/vnd.docker.distribution.events.v1+json'
const V2 = 'application/vnd.docker.distribution.events.v2+json'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const DIGEST = `sha256:${'a'.repeat(64)}`

type Json = Record<string, unknown>

function event(target: Json = {}, members: Json = {}): Json {
  return {
    id: '0b4d1c3e-0000-4000-8000-000000000001',
    timestamp: '2026-11-20T10:00:00.123456789+01:00',
    action: 'push',
    target: {mediaType: MANIFEST, digest: DIGEST, size: 524, length: 524, repository: 'shop/web', tag: 'v1', ...target},
    request: {id: 'request-1', addr: '10.0.0.7:40112', host: 'registry.example.com', method: 'PUT', useragent: 'docker/28.2.2'},
    actor: {name: 'alice'},
    source: {addr: 'registry:5000', instanceID: 'one'},
    ...members,
  }
}

function decode(events: unknown, contentType: string | undefined = V1) {
  return decodeNotifications(contentType, Buffer.from(JSON.stringify({events})))
}

describe('a notification', () => {
  it('is read into what may be stored, with its time in UTC', () => {
    assert.deepEqual(decode([event()]), {
      events: [
        {
          id: '0b4d1c3e-0000-4000-8000-000000000001',
          occurredAt: '2026-11-20T09:00:00.123Z',
          repository: 'shop/web',
          requestId: 'request-1',
          method: 'PUT',
          address: '10.0.0.7:40112',
          userAgent: 'docker/28.2.2',
          actor: 'alice',
          action: 'push',
          digest: DIGEST,
          mediaType: MANIFEST,
          tag: 'v1',
        },
      ],
      blobs: 0,
      unknownActions: 0,
      malformed: 0,
    })
  })

  it('is taken under either media type, with parameters or capitals, and under no other', () => {
    for (const type of [V1, V2, `${V2}; charset=utf-8`, V1.toUpperCase()]) assert.equal(decode([event()], type).events.length, 1, type)
    for (const type of ['application/json', '', `${V1}x`, 'text/html'])
      assert.deepEqual(decode([event()], type), {events: [], blobs: 0, unknownActions: 0, malformed: 1}, type)
    assert.equal(decodeNotifications(undefined, Buffer.from(JSON.stringify({events: [event()]}))).malformed, 1)
  })

  it('about a blob is left out, whatever pushes or pulls it; about a manifest without a tag it is not', () => {
    const blob = {mediaType: 'application/octet-stream', tag: undefined}
    const decoded = decode([event(blob), event(blob, {action: 'pull'}), event({mediaType: undefined, tag: ''}), event({tag: undefined})])
    assert.equal(decoded.blobs, 3)
    assert.equal(decoded.malformed, 0)
    assert.deepEqual(
      decoded.events.map(({action}) => action),
      ['push'],
    )
  })

  it('about a tag of an artifact that we do not know is kept', () => {
    const decoded = decode([event({mediaType: 'application/vnd.example.thing+json'})])
    assert.equal(decoded.events.length, 1)
  })

  it('about a tag or by an actor called as our own words are is read like any other', () => {
    const [read] = decode([event({tag: 'malformed'}, {actor: {name: 'malformed'}})]).events
    assert.ok(read?.action === 'push')
    assert.deepEqual([read.tag, read.actor], ['malformed', 'malformed'])
  })

  it('of a mount names where the blob came from', () => {
    const target = {mediaType: 'application/octet-stream', tag: undefined, fromRepository: 'shop/base'}
    const [mount] = decode([event(target, {action: 'mount'})]).events
    assert.ok(mount?.action === 'mount')
    assert.equal(mount.fromRepository, 'shop/base')
    assert.equal(decode([event({...target, fromRepository: '../etc'}, {action: 'mount'})]).malformed, 1)
  })

  it('of a delete is about a digest or about a tag', () => {
    const decoded = decode([
      event({mediaType: undefined, tag: undefined}, {action: 'delete'}),
      event({mediaType: undefined, digest: undefined}, {action: 'delete'}),
      event({mediaType: undefined, digest: undefined, tag: undefined}, {action: 'delete'}),
    ])
    assert.deepEqual(
      decoded.events.map((deleted) => ('tag' in deleted ? deleted.tag : 'digest' in deleted ? deleted.digest : undefined)),
      [DIGEST, 'v1'],
    )
    assert.equal(decoded.malformed, 1)
  })

  it('of an unknown action is left out and counted', () => {
    assert.deepEqual(decode([event({}, {action: 'quarantine'}), event({}, {action: 'toString'}), event()]).unknownActions, 2)
  })

  for (const [name, broken] of Object.entries({
    'an id that is too long': event({}, {id: 'x'.repeat(129)}),
    'an id with a line break': event({}, {id: 'a\r\nb'}),
    'an id that is no string': event({}, {id: 7}),
    'no time': event({}, {timestamp: undefined}),
    'a time that no calendar has': event({}, {timestamp: '2026-13-41T10:00:00Z'}),
    'a time that is a word': event({}, {timestamp: 'tomorrow'}),
    'a repository that climbs': event({repository: 'users/../groups/2'}),
    'a repository in capitals': event({repository: 'Shop/Web'}),
    'a repository with markup': event({repository: '<script>alert(1)</script>'}),
    'a tag with markup': event({tag: '"><img src=x>'}),
    'a tag that is too long': event({tag: 'v'.repeat(129)}),
    'a tag that is an object': event({tag: {toString: 'v1'}}),
    'a short digest': event({digest: 'sha256:abc'}),
    'a media type with markup': event({mediaType: 'text/<b>'}),
    'an actor with a line break': event({}, {actor: {name: 'alice\nINFO admin logged in'}}),
    'an actor that turns the writing round': event({}, {actor: {name: 'a\u202Ecila'}}),
    'an actor that is too long': event({}, {actor: {name: 'a'.repeat(256)}}),
    'an actor that is no string': event({}, {actor: {name: ['alice']}}),
    'no target': event({}, {target: undefined}),
    'no action': event({}, {action: undefined}),
    null: null,
    'a string': 'push',
    'a list': [],
  }))
    it(`with ${name} is counted as malformed, and the next one is still read`, () => {
      const decoded = decode([broken, event()])
      assert.equal(decoded.malformed, 1)
      assert.equal(decoded.events.length, 1)
    })

  it('keeps a hostile user agent on one line, and short', () => {
    const useragent = `curl\r\nX: \u0000\u2028\ud800<script>${'x'.repeat(5000)}`
    const [read] = decode([event({}, {request: {useragent}})]).events
    assert.equal(read?.userAgent?.length, 256)
    assert.ok(read?.userAgent?.startsWith('curl\uFFFD\uFFFDX: \uFFFD\uFFFD\uFFFD<script>xx'), read?.userAgent)
  })

  it('without request and actor is read', () => {
    const [read] = decode([event({}, {request: undefined, actor: {}})]).events
    assert.equal(read?.actor, undefined)
    assert.equal(read?.method, undefined)
    assert.equal(read?.id, '0b4d1c3e-0000-4000-8000-000000000001')
  })

  it('does not take members from a prototype that the body names', () => {
    const body = `{"events":[{"__proto__":${JSON.stringify(event())}}]}`
    assert.equal(decodeNotifications(V1, Buffer.from(body)).malformed, 1)
  })

  for (const [name, body] of Object.entries({
    'no JSON': Buffer.from('{"events":['),
    'no events': Buffer.from('{}'),
    'events that are no list': Buffer.from('{"events":{"0":{}}}'),
    nothing: Buffer.alloc(0),
    'no UTF-8': Buffer.concat([Buffer.from('{"events":[],"x":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    'brackets without end': Buffer.from('['.repeat(500_000)),
  }))
    it(`with a body of ${name} is one malformed notification`, () => {
      assert.deepEqual(decodeNotifications(V1, body), {events: [], blobs: 0, unknownActions: 0, malformed: 1})
    })

  it('larger than the limit is not even parsed', () => {
    const body = JSON.stringify({events: [event()]})
    const atLimit = Buffer.from(body.padEnd(MAX_NOTIFICATION_BYTES))
    assert.equal(decodeNotifications(V1, atLimit).events.length, 1)
    assert.equal(decodeNotifications(V1, Buffer.concat([atLimit, Buffer.from(' ')])).malformed, 1)
  })
})

describe('the decoder of notifications', () => {
  const text = fc.string({unit: 'binary', maxLength: 300})
  const wrong = fc.oneof(text, fc.jsonValue({maxDepth: 2}))
  /** Mostly what it should be. */
  const mostly = (...right: readonly string[]) => fc.oneof({weight: 12, arbitrary: fc.constantFrom(...right)}, wrong)
  const target = fc.record({
    mediaType: mostly(MANIFEST, 'application/octet-stream'),
    digest: mostly(DIGEST),
    repository: mostly('a/b'),
    fromRepository: mostly('a/c'),
    tag: mostly('v1', 'malformed', ''),
  })
  const request = fc.record({id: wrong, addr: wrong, method: wrong, useragent: text}, {requiredKeys: []})
  const mutated = fc.record(
    {
      id: mostly('1'),
      timestamp: mostly('2026-11-20T10:00:00Z'),
      action: mostly('push', 'pull', 'mount', 'delete'),
      target: fc.oneof({weight: 12, arbitrary: target}, wrong),
      request: fc.oneof({weight: 12, arbitrary: request}, wrong),
      actor: fc.oneof(fc.record({name: mostly('alice', 'malformed')}), wrong),
    },
    {requiredKeys: ['id', 'timestamp', 'action', 'target']},
  )

  it('never throws and accounts for every event, and what it lets through keeps the rules', () => {
    let passed = 0
    fc.assert(
      fc.property(fc.array(mutated, {maxLength: 5}), (events) => {
        const decoded = decode(events)
        assert.equal(decoded.events.length + decoded.blobs + decoded.unknownActions + decoded.malformed, events.length)
        for (const read of decoded.events) {
          passed++
          assert.ok(isRepositoryName(read.repository))
          assert.equal(new Date(read.occurredAt).toISOString(), read.occurredAt)
          assert.match(read.id, /^[\x21-\x7e]{1,128}$/)
          if ('tag' in read && read.tag !== undefined) assert.ok(isTag(read.tag))
          if ('digest' in read) assert.ok(isDigest(read.digest))
          for (const told of Object.values(read)) {
            assert.ok(told === undefined || typeof told === 'string')
            assert.ok(told === undefined || (told.length <= 256 && told.isWellFormed()))
            assert.doesNotMatch(told ?? '', /[\p{Cc}\p{Zl}\p{Zp}]/u)
          }
        }
      }),
      {numRuns: 300},
    )
    assert.ok(passed > 100, `only ${passed} events were let through: the property says nothing`)
  })

  it('never throws for any bytes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({maxLength: 200}),
          fc.json().map((json) => Buffer.from(json)),
        ),
        (body) => {
          assert.ok(decodeNotifications(V2, body).malformed <= 1)
        },
      ),
    )
  })
})
