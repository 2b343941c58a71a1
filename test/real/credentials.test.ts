/** Private images: passwords and tokens of genuine registries, and where the secrets are afterwards: nowhere. */
import assert from 'node:assert/strict'
import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {cachedImages} from '../support/cache-image.ts'
import {writeDockerConfig} from '../support/docker-config.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast, type JsonRun} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'
import {startTokenServer, type TokenServer} from '../support/token-server.ts'

const ACCOUNT = {username: 'alice', password: 'canary-7f3a9c-do-not-leak'}
const ENCODED = Buffer.from(`${ACCOUNT.username}:${ACCOUNT.password}`).toString('base64')

describe('private images of genuine registries', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd', 'openssl')
  const afterwards = cleanUpAfterwards()
  const sample = createImage([createLayer('private', 'not for everybody', 100_000)])
  let directory: TemporaryDirectory
  let open: DockerRegistry
  let target: DockerRegistry
  let withPassword: DockerRegistry
  let withToken: DockerRegistry
  let tokens: TokenServer
  let holdfast: Holdfast
  let signedIn: {readonly DOCKER_CONFIG: string}
  const said: string[] = []

  const cache = async (source: DockerRegistry, env: NodeJS.ProcessEnv, ...flags: readonly string[]): Promise<JsonRun> => {
    const args = ['cache-image', `${source.host}/private:v1`, '--to', target.host, '--new', '--debug', ...flags]
    const answer = await holdfast.json(args, {env})
    said.push(answer.stdout, answer.stderr)
    return answer
  }

  before(async () => {
    directory = await createTemporaryDirectory('private')
    afterwards(directory.remove)
    open = await startDockerRegistry()
    afterwards(open.stop)
    await pushImage(open.url, 'private', 'v1', sample)
    target = await startDockerRegistry()
    afterwards(target.stop)
    withPassword = await startDockerRegistry({root: open.root, htpasswd: ACCOUNT})
    afterwards(withPassword.stop)
    tokens = await startTokenServer({directory: join(directory.path, 'token'), users: {[ACCOUNT.username]: ACCOUNT.password}})
    afterwards(tokens.stop)
    withToken = await startDockerRegistry({root: open.root, token: tokens.registryOptions})
    afterwards(withToken.stop)
    holdfast = await createHoldfast(directory.path)
    signedIn = await writeDockerConfig(join(directory.path, 'signed-in'), {[withPassword.host]: ACCOUNT, [withToken.host]: ACCOUNT})
  })

  for (const [kind, registryOf] of [
    ['a password', () => withPassword],
    ['a token', () => withToken],
  ] as const) {
    it(`are cached from a registry that wants ${kind}, with what docker login left, and pulled without any`, async () => {
      const [cached] = cachedImages(await cache(registryOf(), signedIn))
      assert.ok(cached)
      assert.equal((await fetchManifest(target.url, cached.repository, 'latest'))?.digest, sample.digest)
    })

    it(`are refused without credentials by a registry that wants ${kind}, and the hint says how to log in`, async () => {
      const {envelope, exitCode} = await cache(registryOf(), {})
      assert.deepEqual([envelope.error?.code, exitCode], ['UNAUTHENTICATED', 4])
      assert.match(envelope.error?.hints.join('\n') ?? '', /login/)
    })

    it(`are refused with a wrong password by a registry that wants ${kind}`, async () => {
      const wrong = await writeDockerConfig(join(directory.path, `wrong-${kind}`), {
        [registryOf().host]: {...ACCOUNT, password: `${ACCOUNT.password}-wrong`},
      })
      const {envelope, exitCode} = await cache(registryOf(), wrong)
      assert.deepEqual([envelope.error?.code, exitCode], ['UNAUTHENTICATED', 4])
    })

    it(`go to a registry that wants ${kind} as well`, async () => {
      const args = ['cache-image', `${open.host}/private:v1`, '--to', registryOf().host, '--debug']
      const answer = await holdfast.json(args, {env: signedIn})
      said.push(answer.stdout, answer.stderr)
      const [cached] = cachedImages(answer)
      assert.ok(cached)
      assert.equal((await fetchManifest(open.url, cached.repository, 'latest'))?.digest, sample.digest)
    })
  }

  it('cost one token for each scope, not one for each request', async () => {
    const before = tokens.requests.length
    cachedImages(await cache(withToken, signedIn))
    const scopes = tokens.requests.slice(before).map((request) => request.scopes.join(' '))
    assert.equal(new Set(scopes).size, scopes.length)
    assert.ok(scopes.length > 0)
  })

  it('leave no secret in any output, also with --debug, nor in any file that Holdfast wrote', async () => {
    const secrets = [ACCOUNT.password, ENCODED, ENCODED.replace(/=+$/, ''), ...tokens.tokens]
    assert.ok(tokens.tokens.length > 0 && said.length > 0)
    for (const text of said)
      for (const secret of secrets) assert.ok(!text.includes(secret), `a secret was printed: ${redact(text, secret)}`)
    const files = (await readdir(holdfast.home, {recursive: true, withFileTypes: true})).filter((entry) => entry.isFile())
    assert.ok(files.length > 0, 'Holdfast wrote no file: this test looks in the wrong place')
    for (const {parentPath, name} of files) {
      const text = await readFile(join(parentPath, name), 'latin1')
      for (const secret of secrets) assert.ok(!text.includes(secret) && !name.includes(secret), `a secret is in ${name}`)
    }
  })

  it('put no secret into the arguments of a process', async () => {
    const lines: Promise<string>[] = []
    const onStart = (pid: number): void => {
      lines.push(readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => ''))
    }
    const args = ['cache-image', `${withPassword.host}/private:v1`, '--to', target.host, '--new']
    await holdfast.run(args, {env: signedIn, onStart})
    for (const line of await Promise.all(lines)) assert.ok(!line.includes(ACCOUNT.password))
  })
})

function redact(text: string, secret: string): string {
  return text.replaceAll(secret, '[the secret]').slice(0, 2000)
}
