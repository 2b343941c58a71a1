/** The command line behind genuine proxies: tinyproxy, with and without credentials, and squid that looks into TLS. */
import assert from 'node:assert/strict'
import {chmod, mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {HoldfastError} from '../../src/lib/core/errors.ts'
import {requestJson} from '../../src/lib/http/json-client.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type CertificateAuthority, createCertificateAuthority} from '../support/certificates.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {type GenuineProxy, startInterceptingSquid, startTinyproxy} from '../support/genuine-proxies.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

/** Without it loopback, where the registries of the tests are, is never proxied. */
const PROXY_LOOPBACK = '<-loopback>'
const LAYER_BYTES = 3 * 1024 * 1024

describe('proxies', function () {
  this.timeout(180_000)
  needs('docker-registry', 'openssl', 'tinyproxy', 'squid')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let authority: CertificateAuthority
  let plain: DockerRegistry
  let secure: DockerRegistry
  let user: Holdfast
  let copies = 0

  before(async () => {
    const temporary = await createTemporaryDirectory('proxies')
    afterwards(temporary.remove)
    directory = temporary.path
    // Squid works as another user.
    await chmod(directory, 0o755)
    authority = await createCertificateAuthority(join(directory, 'ca'))
    plain = await startDockerRegistry()
    afterwards(plain.stop)
    await pushImage(plain.url, 'team/app', 'v1', createImage([createLayer('app', 'through a proxy', LAYER_BYTES)]))
    secure = await startDockerRegistry({root: plain.root, tls: await authority.issue('secure')})
    afterwards(secure.stop)
    user = await createHoldfast(directory)
  })

  const folder = async (name: string): Promise<string> => {
    await mkdir(join(directory, name), {mode: 0o777})
    return join(directory, name)
  }
  /** Copies the image with its layer out of a registry. */
  const copy = (registry: DockerRegistry, env: NodeJS.ProcessEnv, host = registry.host) => {
    const flags = registry === plain ? ['--source-plain-http'] : []
    return user.json(['copy', `${host}/team/app:v1`, `oci:${join(directory, `copy-${copies++}`)}:v1`, ...flags], {env})
  }
  const proxied = (url: string, noProxy = PROXY_LOOPBACK): NodeJS.ProcessEnv => ({
    HTTPS_PROXY: url,
    HTTP_PROXY: url,
    NO_PROXY: noProxy,
    NODE_EXTRA_CA_CERTS: authority.caFile,
  })

  describe('tinyproxy', () => {
    let open: GenuineProxy
    let guarded: GenuineProxy

    before(async () => {
      open = await startTinyproxy(await folder('open'))
      afterwards(open.stop)
      guarded = await startTinyproxy(await folder('guarded'), 'carol:secret-of-carol-1')
      afterwards(guarded.stop)
    })

    it('carries an image from an https registry through a tunnel, and from a plain one in the open', async () => {
      for (const registry of [secure, plain]) {
        const {exitCode, stdout, stderr} = await copy(registry, proxied(open.url))
        assert.equal(exitCode, 0, stdout + stderr)
      }
      const log = await open.log()
      assert.match(log, new RegExp(`CONNECT ${secure.host} `))
      assert.match(log, new RegExp(`GET http://${plain.host}/v2/team/app/blobs/`))
    })

    it('is passed by for what NO_PROXY names: a host, a host with its port, a network', async () => {
      const before = await open.log()
      for (const exempt of ['127.0.0.1', secure.host, '127.0.0.0/8']) {
        const {exitCode, stdout, stderr} = await copy(secure, proxied(open.url, `${exempt},${PROXY_LOOPBACK}`))
        assert.equal(exitCode, 0, stdout + stderr)
      }
      assert.equal(await open.log(), before)
    })

    it('is passed by for loopback, unless NO_PROXY says otherwise', async () => {
      const before = await open.log()
      assert.equal((await copy(plain, proxied(open.url, ''))).exitCode, 0)
      assert.equal(await open.log(), before)
    })

    it('that wants credentials is named, with the variable that gives them, and takes them', async () => {
      for (const [registry, variable] of [
        [secure, 'HTTPS_PROXY'],
        [plain, 'HTTP_PROXY'],
      ] as const) {
        const host = new URL(guarded.url).host
        const refused = await copy(registry, proxied(guarded.url))
        assert.deepEqual([refused.exitCode, refused.envelope.error?.code], [10, 'CONFIGURATION'], refused.stdout)
        assert.match(refused.envelope.error?.message ?? '', new RegExp(`proxy "${host}" wants credentials`))
        assert.equal(refused.envelope.error?.hints[0], `export ${variable}=http://USER:PASSWORD@${host}`)
        const given = await copy(registry, proxied(guarded.url.replace('//', '//carol:secret-of-carol-1@')))
        assert.equal(given.exitCode, 0, given.stdout)
      }
      // Tinyproxy answers wrong credentials with 401.
      const wrong = await copy(secure, proxied(guarded.url.replace('//', '//carol:another-secret-1@')))
      assert.equal(wrong.envelope.error?.code, 'CONFIGURATION')
      assert.ok(!wrong.stdout.includes('another-secret-1'))
    })

    it('is told of by the JSON client in the same words', async () => {
      for (const url of [new URL('/v2/', secure.url), new URL('/v2/', plain.url)]) {
        const error = await requestJson({method: 'GET', url, tls: {ca: authority.ca}, proxy: new URL(guarded.url)}).catch(
          (thrown: unknown) => thrown,
        )
        assert.ok(error instanceof HoldfastError)
        assert.deepEqual([error.code, error.details.proxy], ['CONFIGURATION', new URL(guarded.url).host])
        assert.match(error.message, /wants credentials/)
      }
    })

    it('that is gone is named, too, by both clients', async () => {
      const gone = await startTinyproxy(await folder('gone'))
      await gone.stop()
      const {exitCode, envelope} = await copy(secure, proxied(gone.url))
      assert.equal(exitCode, 7)
      assert.match(envelope.error?.message ?? '', /connection refused \(through proxy "127/)
      const error = await requestJson({method: 'GET', url: new URL(secure.url), proxy: new URL(gone.url)}).catch(
        (thrown: unknown) => thrown,
      )
      assert.ok(error instanceof HoldfastError)
      assert.deepEqual(
        [error.message.replace(/.*": /, ''), error.details.code],
        [envelope.error?.message.replace(/.*": /, ''), envelope.error?.details?.code],
      )
    })
  })

  describe('squid that looks into TLS', () => {
    let squid: Awaited<ReturnType<typeof startInterceptingSquid>>

    before(async () => {
      squid = await startInterceptingSquid(await folder('squid'), authority.caFile)
      afterwards(squid.stop)
    })

    it('is named where its authority is not trusted, and nothing says to switch the checks off', async () => {
      const host = new URL(squid.url).host
      const {exitCode, envelope, stdout} = await copy(secure, proxied(squid.url))
      assert.deepEqual([exitCode, envelope.error?.code], [7, 'TLS'], stdout)
      assert.match(envelope.error?.message ?? '', new RegExp(`through proxy "${host}", which may show a certificate of its own`))
      assert.ok(envelope.error?.hints[0]?.startsWith('export NODE_EXTRA_CA_CERTS=FILE'), stdout)
      assert.ok(!stdout.includes('--insecure'), stdout)
      const error = await requestJson({method: 'GET', url: new URL(secure.url), proxy: new URL(squid.url), tls: {ca: authority.ca}}).catch(
        (thrown: unknown) => thrown,
      )
      assert.ok(error instanceof HoldfastError)
      assert.deepEqual([error.code, error.hints[0]], ['TLS', envelope.error?.hints[0]])
    })

    it('carries an image once its authority is trusted', async () => {
      // Its certificates have no addresses.
      const env = {...proxied(squid.url), NODE_EXTRA_CA_CERTS: squid.caFile}
      const {exitCode, stdout} = await copy(secure, env, `localhost:${secure.port}`)
      assert.equal(exitCode, 0, stdout)
      assert.match(await squid.log(), /\/v2\/team\/app\/blobs\/sha256:/)
    })

    it('is passed by for what NO_PROXY names', async () => {
      const before = await squid.log()
      assert.equal((await copy(secure, proxied(squid.url, `127.0.0.1,${PROXY_LOOPBACK}`))).exitCode, 0)
      assert.equal(await squid.log(), before)
    })
  })
})
