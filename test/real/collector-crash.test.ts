/** What the collector acknowledged is there after it was killed, whatever it was doing. */
import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {reply, startScriptedRegistry} from '../integration/remote/scripted-registry.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {command, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const TYPE = 'application/vnd.docker.distribution.events.v1+json'
const DIGEST = `sha256:${'a'.repeat(64)}`
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

describe('a collector that is killed', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let owner: Holdfast
  let count = 0

  before(async () => {
    const temporary = await createTemporaryDirectory('collector-crash')
    afterwards(temporary.remove)
    directory = temporary.path
  })

  beforeEach(async () => {
    owner = await createHoldfast(join(directory, String(count++)))
  })

  it('has every notification that it acknowledged, each once, however often it is delivered again', async () => {
    // It proves that it trusts the collector, and cannot be swept: its events alone tell what it has.
    const lab = await startScriptedRegistry(({url, headers}, response) => {
      if (headers.authorization === undefined) {
        reply(response, 401, {'www-authenticate': 'Bearer realm="http://127.0.0.1:1/token",service="lab"'})
      } else reply(response, url === '/v2/' ? 200 : 500)
    })
    afterwards(lab.close)
    await command(owner, ['registry', 'manage', 'lab', '--url', lab.url, '--service', 'lab'])
    const {secret} = (await command(owner, ['registry', 'renew-events-secret', 'lab'])) as {secret: string}
    const acknowledged = new Set<string>()
    const deliver = async (url: string, number: number): Promise<void> => {
      const event = {
        id: `event-${number}`,
        timestamp: '2026-11-21T12:00:00Z',
        action: 'push',
        target: {mediaType: MANIFEST, digest: DIGEST, repository: `repository-${number}`, tag: 'v1'},
      }
      const headers = {authorization: `Bearer ${secret}`, 'content-type': TYPE}
      const {status} = await fetch(`${url}/events/lab`, {method: 'POST', headers, body: JSON.stringify({events: [event]})})
      if (status === 202) acknowledged.add(event.id)
    }
    for (const round of [0, 1, 2]) {
      const collector = await serveCollector(owner)
      afterwards(collector.stop)
      let next = round * 40
      // A registry delivers one after the other, and again from where it was not answered.
      const delivering = (async () => {
        for (;;) await deliver(collector.url, next++)
      })().catch(() => {})
      await until(() => acknowledged.size > (round + 1) * 10)
      await collector.kill()
      await delivering
    }
    const collector = await serveCollector(owner)
    afterwards(collector.stop)
    assert.ok(acknowledged.size > 20, `only ${acknowledged.size} were acknowledged`)
    const {events} = (await command(owner, ['events', '--limit', '1000'])) as {events: {eventId: string}[]}
    const ids = events.map(({eventId}) => eventId)
    assert.equal(new Set(ids).size, ids.length, 'an event is kept twice')
    assert.deepEqual(
      [...acknowledged].filter((id) => !ids.includes(id)),
      [],
    )
    const {count: indexed} = (await command(owner, ['search', 'repository-', '--limit', '1'])) as {count: number}
    assert.ok(indexed >= acknowledged.size, `${indexed} of ${acknowledged.size} are indexed`)
  })

  it('forgets nothing in the midst of a sweep, and finishes with the next one', async () => {
    const bundle = join(directory, 'authority.pem')
    await writeFile(bundle, ((await command(owner, ['collector', 'keys', 'export'])) as {authority: string}).authority)
    const token = {realm: 'http://127.0.0.1:1/token', service: 'lab', issuer: 'holdfast', rootCertBundle: bundle}
    const registry = await startDockerRegistry()
    const trusting = await startDockerRegistry({root: registry.root, token})
    afterwards(registry.stop)
    afterwards(trusting.stop)
    const image = createImage([createLayer('app', 'some content')])
    for (let number = 0; number < 40; number++) await pushImage(registry.url, `repository-${number}`, 'v1', image)
    await command(owner, ['registry', 'manage', 'lab', '--url', trusting.url, '--service', 'lab'])
    await command(owner, ['registry', 'discover', 'lab'])
    const found = async () => ((await command(owner, ['search', 'repository-'])) as {count: number}).count
    assert.equal(await found(), 40)
    for (const delayMs of [60, 110, 160]) {
      const sweep = owner.run(['registry', 'discover', 'lab'], {
        onStart: (pid) => setTimeout(() => killIfRunning(pid), delayMs),
      })
      await sweep.catch(() => {})
      assert.equal(await found(), 40)
    }
    assert.partialDeepStrictEqual(await command(owner, ['registry', 'discover', 'lab']), {
      isComplete: true,
      repositories: 40,
      purgedRepositories: 0,
    })
  })
})

function killIfRunning(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
