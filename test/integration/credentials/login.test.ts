import assert from 'node:assert/strict'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createDockerConfigSource} from '../../../src/lib/credentials/docker-config/source.ts'
import {parseRegistryHost, parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../../support/docker-registry.ts'
import {needs} from '../../support/required-program.ts'
import {runOk} from '../../support/run-program.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'

const username = 'ann'
const password = 'pass:word with $pecial "characters"'

describe('credentials that podman and skopeo keep after a login', () => {
  needs('docker-registry', 'htpasswd', 'podman', 'skopeo')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let registry: DockerRegistry

  before(async () => {
    const temporary = await createTemporaryDirectory('login')
    afterwards(temporary.remove)
    directory = temporary.path
    registry = await startDockerRegistry({htpasswd: {username, password}})
    afterwards(registry.stop)
  })

  /** Logs in as a user would, with the password on standard input, and without touching the machine's own containers. */
  const login = (program: string, authFile: string, account: string): Promise<string> =>
    runOk(program, ['login', '--tls-verify=false', '-u', username, '--password-stdin', '--authfile', authFile, account], {
      env: {PATH: process.env.PATH, HOME: directory, XDG_RUNTIME_DIR: directory},
      input: password,
    })
  const sourceOf = (authFile: string) =>
    createDockerConfigSource({files: [{path: authFile, format: 'config'}], allowedHelpers: [], helperEnvironment: {}})

  for (const program of ['podman', 'skopeo']) {
    it(`are found for a registry after ${program} login, open that registry, and are left as they were`, async () => {
      const authFile = join(directory, `${program}.json`)
      await login(program, authFile, registry.host)
      const written = await readFile(authFile)
      const credential = await sourceOf(authFile).find(parseRegistryHost(registry.host), undefined)
      assert.deepEqual(credential, {kind: 'basic', username, password})
      const authorization = `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`
      assert.equal((await fetch(`${registry.url}/v2/`, {headers: {authorization}})).status, 200)
      assert.equal((await fetch(`${registry.url}/v2/`)).status, 401)
      assert.deepEqual(await readFile(authFile), written)
    })

    it(`are found for the path that was given to ${program} login, and for no other`, async () => {
      const authFile = join(directory, `${program}-path.json`)
      await login(program, authFile, `${registry.host}/team`)
      const source = sourceOf(authFile)
      assert.equal((await source.find(parseRegistryHost(registry.host), parseRepositoryName('team/web')))?.kind, 'basic')
      assert.equal(await source.find(parseRegistryHost(registry.host), parseRepositoryName('other/web')), undefined)
    })
  }
})
