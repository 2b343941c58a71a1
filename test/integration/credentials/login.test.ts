import assert from 'node:assert/strict'
import {type ChildProcess, execFile, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {promisify} from 'node:util'
import {createDockerConfigSource} from '../../../src/lib/credentials/docker-config/source.ts'
import {parseRegistryHost, parseRepositoryName} from '../../../src/lib/oci/reference.ts'

const run = promisify(execFile)
const PROGRAMS = ['docker-registry', 'htpasswd', 'podman', 'skopeo']
const USERNAME = 'ann'
const PASSWORD = 'pass:word with $pecial "characters"'

describe('credentials that podman and skopeo keep after a login', () => {
  let directory: string
  let registry: ChildProcess
  let host: string

  before(async function () {
    for (const program of PROGRAMS) {
      const found = await run('sh', ['-c', 'command -v "$1"', 'sh', program]).then(
        () => true,
        () => false,
      )
      if (found) continue
      if (process.env.CI) assert.fail(`${program} is not installed`)
      process.stderr.write(`SKIPPED, since ${program} is not installed: ${this.test?.parent?.title}\n`)
      this.skip()
    }
    directory = await mkdtemp(join(tmpdir(), 'holdfast-login-'))
    const {stdout: users} = await run('htpasswd', ['-Bbn', USERNAME, PASSWORD])
    await writeFile(join(directory, 'users'), users)
    const config = {
      version: '0.1',
      log: {level: 'info'},
      storage: {filesystem: {rootdirectory: join(directory, 'data')}},
      auth: {htpasswd: {realm: 'test', path: join(directory, 'users')}},
      http: {addr: '127.0.0.1:0'},
    }
    await writeFile(join(directory, 'config.json'), JSON.stringify(config))
    registry = spawn('docker-registry', ['serve', join(directory, 'config.json')], {stdio: ['ignore', 'ignore', 'pipe']})
    host = await listeningHost(registry)
  })

  after(async () => {
    if (registry !== undefined) {
      const exited = once(registry, 'exit')
      registry.kill()
      await exited
    }
    if (directory !== undefined) await rm(directory, {recursive: true})
  })

  /** Logs in as a user would, with the password on standard input, and without touching the machine's own containers. */
  const login = async (program: string, authFile: string, account: string): Promise<void> => {
    const child = spawn(program, ['login', '--tls-verify=false', '-u', USERNAME, '--password-stdin', '--authfile', authFile, account], {
      env: {PATH: process.env.PATH, HOME: directory, XDG_RUNTIME_DIR: directory},
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk))
    child.stdin.end(PASSWORD)
    const [exitCode] = await once(child, 'close')
    assert.equal(exitCode, 0, output)
  }
  const sourceOf = (authFile: string) =>
    createDockerConfigSource({files: [{path: authFile, format: 'config'}], allowedHelpers: [], helperEnvironment: {}})

  for (const program of ['podman', 'skopeo']) {
    it(`are found for a registry after ${program} login, and open that registry`, async () => {
      const authFile = join(directory, `${program}.json`)
      await login(program, authFile, host)
      const written = await readFile(authFile)
      const credential = await sourceOf(authFile).find(parseRegistryHost(host), undefined)
      assert.deepEqual(credential, {kind: 'basic', username: USERNAME, password: PASSWORD})
      const authorization = `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`
      assert.equal((await fetch(`http://${host}/v2/`, {headers: {authorization}})).status, 200)
      assert.equal((await fetch(`http://${host}/v2/`)).status, 401)
      assert.deepEqual(await readFile(authFile), written)
    })

    it(`are found for the path that was given to ${program} login, and for no other`, async () => {
      const authFile = join(directory, `${program}-path.json`)
      await login(program, authFile, `${host}/team`)
      const source = sourceOf(authFile)
      assert.equal((await source.find(parseRegistryHost(host), parseRepositoryName('team/web')))?.kind, 'basic')
      assert.equal(await source.find(parseRegistryHost(host), parseRepositoryName('other/web')), undefined)
    })
  }
})

/** The address that docker-registry says it took. */
async function listeningHost(registry: ChildProcess): Promise<string> {
  assert.ok(registry.stderr)
  for await (const line of createInterface({input: registry.stderr})) {
    const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1]
    if (host !== undefined) {
      registry.stderr.resume()
      return host
    }
  }
  return assert.fail('docker-registry did not start')
}
