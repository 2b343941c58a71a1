/** Notifications of a genuine registry, recorded over a real socket. */
import assert from 'node:assert/strict'
import {setTimeout as sleep} from 'node:timers/promises'
import {RegistrySession} from '../../src/lib/content/remote/session.ts'
import {createRegistrySource} from '../../src/lib/discovery/registry-source.ts'
import {sweepRegistry} from '../../src/lib/discovery/sweep.ts'
import {type DecodedNotifications, decodeNotifications} from '../../src/lib/events/decode-notifications.ts'
import {createEventRecorder, type RecordedEvents} from '../../src/lib/events/record-events.ts'
import {createWireClient} from '../../src/lib/http/wire/client.ts'
import {parseRegistryHost, parseRepositoryName} from '../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createImage, createLayer} from '../support/images.ts'
import {MemoryEventLog} from '../support/memory-event-log.ts'
import {MemoryIndex} from '../support/memory-index.ts'
import {listenToNotifications, type NotifyingRegistryOptions, startNotifyingRegistry} from '../support/notifying-registry.ts'
import {fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'

const ARRIVAL_TIMEOUT_MS = 300_000
/** After the last event that a test waits for, how long it looks whether another one comes. */
const QUIET_MS = 300
const AUTHORIZATION = 'Bearer events-of-this-registry'

describe('the notifications of docker-registry', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'one')])
  const other = createImage([createLayer('app', 'other')])
  const WEB = parseRepositoryName('shop/web')

  /** A registry whose notifications are recorded; `answer` may say what it is answered. */
  async function start(options: Omit<NotifyingRegistryOptions, 'listener'> = {}, answer: () => number = () => 202) {
    const log = new MemoryEventLog()
    const index = new MemoryIndex()
    const recorder = createEventRecorder({log, index, ownActor: 'collector'})
    const decoded: DecodedNotifications[] = []
    const recorded: RecordedEvents[] = []
    const listener = await listenToNotifications(async ({authorization, body, contentType}) => {
      assert.equal(authorization, AUTHORIZATION)
      const notification = decodeNotifications(contentType, body)
      decoded.push(notification)
      recorded.push(await recorder.record('internal', notification.events))
      return answer()
    })
    afterwards(listener.close)
    const registry = await startNotifyingRegistry({...options, listener: {url: listener.url, authorization: AUTHORIZATION}})
    afterwards(registry.stop)
    const sum = (count: (notification: DecodedNotifications) => number) => decoded.reduce((total, one) => total + count(one), 0)
    return {registry, log, index, decoded, recorded, sum}
  }

  async function until(isDone: () => boolean): Promise<void> {
    for (const endMs = Date.now() + ARRIVAL_TIMEOUT_MS; !isDone(); await sleep(20))
      if (Date.now() > endMs) throw new Error('the notifications did not arrive')
    await sleep(QUIET_MS)
  }

  it('of a push set the tag; those of its blobs are left out', async () => {
    const {index, log, registry, sum} = await start()
    await pushImage(registry.url, WEB, 'v1', image)
    await until(() => log.events.length === 1 && sum(({blobs}) => blobs) === 2)
    assert.deepEqual(index.content, {'shop/web:v1': image.digest})
    const [event] = log.events
    assert.ok(event?.action === 'push')
    assert.equal(event.mediaType, image.mediaType)
    assert.equal(event.method, 'PUT')
    assert.match(event.address ?? '', /^127\.0\.0\.1:[0-9]+$/)
    assert.ok(Math.abs(Date.parse(event.occurredAt) - Date.now()) < 60_000)
    assert.equal(
      sum(({malformed, unknownActions}) => malformed + unknownActions),
      0,
    )
  })

  it('of a pull are counted, of a HEAD they are not', async () => {
    const {index, log, registry} = await start()
    await pushImage(registry.url, WEB, 'v1', image)
    await fetchManifest(registry.url, WEB, 'v1')
    await fetchManifest(registry.url, WEB, image.digest)
    await fetch(`${registry.url}/v2/${WEB}/manifests/v1`, {method: 'HEAD', headers: {accept: image.mediaType}})
    await until(() => log.events.length === 4)
    assert.deepEqual(
      log.events.map(({action, method}) => `${action} ${method}`),
      ['push PUT', 'pull GET', 'pull GET', 'pull HEAD'],
    )
    assert.equal(index.repositories.get(WEB)?.pulls, 2)
  })

  it('of a mount say where the blob came from', async () => {
    const {index, registry, sum} = await start()
    await pushImage(registry.url, WEB, 'v1', image)
    const [blob] = image.blobs
    assert.ok(blob)
    const mounted = await fetch(`${registry.url}/v2/team/app/blobs/uploads/?mount=${blob.digest}&from=${WEB}`, {method: 'POST'})
    assert.equal(mounted.status, 201)
    await until(() => index.changes.length === 2)
    const change = index.changes[1]
    assert.ok(change?.kind === 'mounted')
    assert.deepEqual([change.repository, change.fromRepository, change.digest], ['team/app', WEB, blob.digest])
    assert.equal(
      sum(({malformed, unknownActions}) => malformed + unknownActions),
      0,
    )
  })

  it('of a delete are one of the manifest and one of each tag, of one request', async () => {
    const {index, log, registry} = await start()
    for (const tag of ['v1', 'latest']) await pushImage(registry.url, WEB, tag, image)
    await pushImage(registry.url, WEB, 'other', other)
    await until(() => Object.keys(index.content).length === 3)
    assert.equal((await fetch(`${registry.url}/v2/${WEB}/manifests/${image.digest}`, {method: 'DELETE'})).status, 202)
    await until(() => log.events.length === 6)
    const deletes = log.events.slice(3)
    assert.deepEqual(
      deletes.map((event) => (event.action !== 'delete' ? event.action : 'tag' in event ? event.tag : event.digest)).sort(),
      ['latest', image.digest, 'v1'],
    )
    assert.equal(new Set(deletes.map(({requestId}) => requestId)).size, 1)
    assert.ok(deletes[0]?.requestId)
    assert.deepEqual(index.content, {'shop/web:other': other.digest})
  })

  it('that were answered with an error come again, and count once', async () => {
    let failures = 2
    const {index, log, recorded, registry} = await start({}, () => (failures-- > 0 ? 503 : 202))
    await pushImage(registry.url, WEB, 'v1', image)
    await fetchManifest(registry.url, WEB, 'v1')
    await until(() => log.events.length === 2)
    assert.ok(failures < 0, 'the registry tried again')
    assert.equal(log.events.length, 2)
    assert.equal(index.repositories.get(WEB)?.pulls, 1)
    assert.ok(recorded.length > 4, `${recorded.length} notifications for four events`)
  })

  it('of a sweep by the collector itself leave no trace, those of others with the same registry do', async () => {
    const filled = await start()
    await pushImage(filled.registry.url, WEB, 'v1', image)
    const {index, log, recorded, registry} = await start({
      root: filled.registry.root,
      accounts: {collector: 'of-the-collector', alice: 'of-alice'},
    })
    const http = createWireClient()
    afterwards(() => http.close())
    const session = new RegistrySession({
      endpoint: {registry: parseRegistryHost(registry.host), plainHttp: 'always', tls: {}, capabilities: {}},
      http,
      credentials: async () => ({kind: 'basic', username: 'collector', password: 'of-the-collector'}),
    })
    const result = await sweepRegistry(createRegistrySource(session), index)
    assert.ok(result.complete)
    assert.equal(result.asked, 1)
    const authorization = `Basic ${Buffer.from('alice:of-alice').toString('base64')}`
    const pulled = await fetch(`${registry.url}/v2/${WEB}/manifests/v1`, {headers: {accept: image.mediaType, authorization}})
    assert.equal(pulled.status, 200)
    await until(() => log.events.length === 1)
    assert.deepEqual(
      log.events.map(({action, actor}) => [action, actor]),
      [['pull', 'alice']],
    )
    assert.equal(
      recorded.reduce((total, {own}) => total + own, 0),
      1,
    )
    assert.equal(index.repositories.get(WEB)?.pulls, 1)
    assert.deepEqual(index.content, {'shop/web:v1': image.digest})
  })
})
