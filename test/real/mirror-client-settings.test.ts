/** Clients with the settings that `mirror init` writes for them: each gets, of two registries with an image of the same name, the one that it names, through the mirror. */
import assert from 'node:assert/strict'
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {spawnChild} from '../support/child-process.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {freePort} from '../support/free-port.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {findProgram, needs} from '../support/required-program.ts'
import {run, runOk} from '../support/run-program.ts'
import {type ServedMirror, serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

describe('clients with the settings that are written for them', function () {
  this.timeout(180_000)
  needs('docker-registry', 'skopeo', 'containerd', 'ctr')
  const afterwards = cleanUpAfterwards()
  const images = [createImage([createLayer('app', 'of the first')]), createImage([createLayer('app', 'of the second')])]
  let directory: string
  let user: Holdfast
  let registries: readonly DockerRegistry[]
  let mirror: ServedMirror
  let settings: string

  before(async () => {
    const temporary = await createTemporaryDirectory('client-settings')
    afterwards(temporary.remove)
    directory = temporary.path
    registries = [await startDockerRegistry(), await startDockerRegistry()]
    for (const {stop} of registries) afterwards(stop)
    for (const [index, {url}] of registries.entries()) await pushImage(url, 'shop/web', 'v1', images[index] ?? assert.fail())
    user = await createHoldfast(directory)
    const upstream = registries.map(({url}) => url).join(',')
    mirror = await serveMirror(user, ['--upstream', upstream, '--listen', `127.0.0.1:${await freePort()}`])
    afterwards(() => mirror.stop())
    const plan = ['--url', mirror.url, '--upstream', upstream, '--allow', '127.0.0.1', '--directory', join(directory, 'mirror')]
    const {exitCode, stdout} = await user.json(['mirror', 'init', ...plan])
    assert.equal(exitCode, 0, stdout)
    settings = join(directory, 'mirror', 'clients')
  })

  /** What the mirror says was pulled through it. */
  async function pulled(): Promise<readonly string[]> {
    const {envelope} = await user.json(['mirror', 'status', '--mirror', mirror.url])
    const {clients} = (envelope.result as {pulled: {clients: {images: {image: string}[]}[]}}).pulled
    return clients.flatMap((client) => client.images.map(({image}) => image)).toSorted()
  }

  const digests = images.map(({digest}) => digest)
  const names = () => registries.map(({host}) => `${host}/shop/web:v1`)

  it('pull by ns= as containerd', async function () {
    if (process.getuid?.() !== 0) {
      process.stderr.write('\n    SKIPPED: containerd is started by root alone\n')
      this.skip()
    }
    const home = join(directory, 'containerd')
    await mkdir(home)
    const socket = join(home, 'containerd.sock')
    const disabled = ['io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt', 'io.containerd.snapshotter.v1.zfs']
    await writeFile(
      join(home, 'config.toml'),
      `version = 2\nroot = "${home}/root"\nstate = "${home}/state"\ndisabled_plugins = ${JSON.stringify(disabled)}\n[grpc]\n  address = "${socket}"\n`,
    )
    const child = spawnChild(findProgram('containerd') ?? '', ['-c', join(home, 'config.toml')], {stdio: 'ignore'})
    afterwards(() => void child.kill('SIGTERM'))
    await until(async () => (await run('ctr', ['--address', socket, 'version'])).exitCode === 0)
    for (const [index, name] of names().entries()) {
      const hosts = ['--hosts-dir', join(settings, 'containerd/certs.d')]
      await runOk('ctr', ['--address', socket, 'content', 'fetch', ...hosts, name])
      const listed = await runOk('ctr', ['--address', socket, 'images', 'list', `name==${name}`])
      assert.ok(listed.includes(digests[index] ?? '-'), listed)
    }
    assert.deepEqual(await pulled(), names().toSorted())
  })

  it('find the folder of hosts where containerd looks for it', async () => {
    const dumped = await runOk('containerd', ['-c', join(settings, 'containerd/config-v2.toml'), 'config', 'dump'])
    assert.match(dumped, /\[plugins\."io\.containerd\.grpc\.v1\.cri"\.registry\]\n\s*config_path = "\/etc\/containerd\/certs\.d"/)
  })

  it('pull by path as skopeo, also with the registries gone', async () => {
    const policy = join(directory, 'policy.json')
    await writeFile(policy, '{"default": [{"type": "insecureAcceptAnything"}]}')
    const options = ['--policy', policy, '--registries-conf', join(settings, 'podman/registries.conf')]
    const copy = async (round: string): Promise<void> => {
      for (const [index, name] of names().entries()) {
        const folder = join(directory, `${round}-${index}`)
        await runOk('skopeo', [...options, 'copy', '--preserve-digests', `docker://${name}`, `oci:${folder}:v1`])
        const listed = await runOk('skopeo', [...options, 'inspect', '--raw', `oci:${folder}:v1`])
        assert.equal(listed, Buffer.from(images[index]?.bytes ?? []).toString())
      }
    }
    await copy('first')
    assert.deepEqual(await pulled(), names().toSorted())
    for (const registry of registries) await registry.kill()
    await copy('second')
  })
})
