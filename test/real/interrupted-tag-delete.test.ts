/** `holdfast tag delete` that is stopped while a genuine registry has its tag on the empty image: what it says, and what the next run finds. */
import assert from 'node:assert/strict'
import {existsSync, readdirSync} from 'node:fs'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {type HeldRequests, startHeldRequests} from '../support/held-requests.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {type StartedCommand, startCommand} from '../support/started-command.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const PATIENCE_MS = 30_000

describe('holdfast tag delete that is interrupted', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'app')])
  let registry: DockerRegistry
  let front: HeldRequests
  let holdfast: Holdfast
  let name: string

  before(async () => {
    registry = await startDockerRegistry()
    afterwards(() => registry.stop())
  })
  beforeEach(async () => {
    const directory = await createTemporaryDirectory('tag-delete')
    afterwards(directory.remove)
    holdfast = await createHoldfast(directory.path)
    for (const tag of ['v1', 'v2']) await pushImage(registry.url, 'app', tag, image)
    let isMoved = false
    // Held: the deletion of the empty image, once the tag is on it.
    front = await startHeldRequests(registry.url, ({method, url}) => {
      isMoved ||= method === 'PUT' && url === '/v2/app/manifests/v1'
      return isMoved && method === 'DELETE'
    })
    name = `${front.host}/app:v1`
  })
  afterEach(() => front.stop())

  const digestOf = async (tag: string) => (await fetchManifest(registry.url, 'app', tag))?.digest
  const journal = () => {
    const folder = join(holdfast.dataDirectory, 'tag-deletions')
    return existsSync(folder) ? readdirSync(folder) : []
  }
  /** A deletion whose tag is on the empty image. */
  const startDeletion = async (...flags: readonly string[]): Promise<StartedCommand> => {
    const command = startCommand(holdfast, ['tag', 'delete', name, ...flags])
    await until(() => front.asked() > 0, PATIENCE_MS)
    assert.notEqual(await digestOf('v1'), image.digest)
    assert.equal(journal().length, 1)
    return command
  }
  const finish = async () => {
    front.setDown(false)
    front.release()
    const {exitCode, stderr} = await holdfast.run(['tag', 'delete', name])
    assert.equal(exitCode, 0, stderr)
    assert.deepEqual([await digestOf('v1'), await digestOf('v2')], [undefined, image.digest])
    assert.deepEqual(journal(), [])
  }

  it('puts the tag back on Ctrl-C and says so', async () => {
    const command = await startDeletion('--json')
    command.kill('SIGINT')
    const {exitCode, stdout} = await command.ended()
    const {error, result} = JSON.parse(stdout)
    assert.deepEqual([exitCode, error.code, error.message], [130, 'INTERRUPTED', `stopped by a signal: ${name} names what it named`])
    assert.deepEqual(error.hints, [`holdfast tag delete ${name}`])
    assert.deepEqual(result, {deleted: [], failures: []})
    assert.equal(await digestOf('v1'), image.digest)
    assert.deepEqual(journal(), [])
    await finish()
  })

  it('says what the tag may name when it cannot put it back, and the next run finishes', async () => {
    const command = await startDeletion()
    front.setDown(true)
    command.kill('SIGINT')
    const {exitCode, stderr} = await command.ended()
    const placeholder = await digestOf('v1')
    assert.equal(exitCode, 130)
    assert.match(stderr, /^Error: stopped by a signal: cannot delete .* \(INTERRUPTED\)$/m)
    assert.ok(stderr.includes(`may name the empty image ${placeholder}; it named ${image.digest}`), stderr)
    assert.ok(stderr.includes(`holdfast copy ${front.host}/app@${image.digest} ${name}   # puts the tag back`), stderr)
    await finish()
  })

  it('is told, with the commands that go on, by every command that meets the tag on the empty image', async () => {
    const command = await startDeletion()
    command.kill('SIGKILL')
    await command.ended()
    front.release()
    const target = `${registry.host}/elsewhere:v1`
    const warning = `${name} names an empty image, since its deletion was cut off: "holdfast tag delete ${name}" finishes it, "holdfast copy ${front.host}/app@${image.digest} ${name}" takes it back`
    const meets = [
      ['tag', 'list', `${front.host}/app`],
      ['copy', name, target],
      ['inspect', name],
      ['inspect', name, '--raw'],
      ['cache-image', name],
    ]
    const tellsIn = async (args: readonly string[]) => (await holdfast.json(args)).envelope.warnings?.includes(warning)
    for (const args of meets) assert.equal(await tellsIn(args), true, args.join(' '))
    assert.equal(await tellsIn(['inspect', `${front.host}/app:v2`]), false)
    const {exitCode, stderr} = await holdfast.run(['copy', `${front.host}/app@${image.digest}`, name])
    assert.equal(exitCode, 0, stderr)
    assert.equal(await digestOf('v1'), image.digest)
    for (const args of meets) assert.equal(await tellsIn(args), false, args.join(' '))
    await finish()
  })

  for (const [way, end] of [
    [
      'a second Ctrl-C',
      async (command: StartedCommand) => {
        front.setDown(true)
        command.kill('SIGINT')
        // Two that arrive together are one to the process, which then tries to put the tag back, and fails.
        await new Promise((resolve) => setTimeout(resolve, 500))
        command.kill('SIGINT')
      },
    ],
    ['kill -9', async (command: StartedCommand) => command.kill('SIGKILL')],
  ] as const) {
    it(`is finished by the next run after ${way}`, async () => {
      const command = await startDeletion()
      await end(command)
      await command.ended()
      assert.notEqual(await digestOf('v1'), image.digest)
      await finish()
    })
  }
})
