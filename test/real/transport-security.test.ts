/** The three flavours of registry, genuine: plain HTTP, HTTPS with a self-signed certificate, HTTPS with one of an authority. */
import assert from 'node:assert/strict'
import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {cacheImage} from '../support/cache-image.ts'
import {type CertificateAuthority, createCertificateAuthority, createSelfSignedCertificate} from '../support/certificates.ts'
import {type DockerRegistry, type DockerRegistryOptions, startDockerRegistry} from '../support/docker-registry.ts'
import {startForwardProxy} from '../support/forward-proxy.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'

const ELSEWHERE = 'registry.elsewhere.example'

describe('the security flavours of genuine registries', function () {
  this.timeout(180_000)
  needs('docker-registry', 'openssl')
  const afterwards = cleanUpAfterwards()
  const sample = createImage([createLayer('hello', 'hello')])
  let directory: TemporaryDirectory
  let authority: CertificateAuthority
  let plain: DockerRegistry
  let target: DockerRegistry
  let holdfast: Holdfast

  const start = async (options: DockerRegistryOptions): Promise<DockerRegistry> => {
    const registry = await startDockerRegistry(options)
    afterwards(registry.stop)
    return registry
  }
  /** The content of `plain` over TLS. */
  const startTls = async (tls: NonNullable<DockerRegistryOptions['tls']>): Promise<DockerRegistry> => start({root: plain.root, tls})
  const fails = async (args: readonly string[], code: string, env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const {envelope, exitCode, stderr} = await holdfast.json(['cache-image', ...args, '--to', target.host], {env})
    assert.equal(envelope.error?.code, code, `${JSON.stringify(envelope)}${stderr}`)
    assert.equal(exitCode, 7)
    assert.ok(envelope.error.hints.length > 0, 'no hint')
    return envelope.error.message
  }
  const succeeds = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> => {
    const cached = await cacheImage(holdfast, [...args, '--to', target.host, '--new'], {env})
    assert.equal((await fetchManifest(target.url, cached.repository, 'latest'))?.digest, sample.digest)
  }

  before(async () => {
    directory = await createTemporaryDirectory('flavours')
    afterwards(directory.remove)
    authority = await createCertificateAuthority(join(directory.path, 'ca'))
    plain = await start({})
    target = await start({})
    await pushImage(plain.url, 'hello', 'v1', sample)
    holdfast = await createHoldfast(directory.path)
  })

  describe('plain HTTP', () => {
    it('is refused where nobody declared it, without a word in the clear', async () => {
      const proxy = await startForwardProxy({[`${ELSEWHERE}:443`]: plain.port, [`${ELSEWHERE}:80`]: plain.port})
      afterwards(proxy.stop)
      await fails([`${ELSEWHERE}/hello:v1`], 'PLAIN_HTTP', {HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url})
      assert.ok(proxy.requests.length > 0)
      assert.deepEqual(
        proxy.requests.filter((request) => !request.startsWith('CONNECT')),
        [],
      )
    })

    it('is spoken where it was declared for this run', async () => {
      const proxy = await startForwardProxy({[`${ELSEWHERE}:80`]: plain.port})
      afterwards(proxy.stop)
      await succeeds([`${ELSEWHERE}/hello:v1`, '--source-plain-http'], {HTTP_PROXY: proxy.url})
    })

    it('is found out on loopback, as docker does', () => succeeds([`${plain.host}/hello:v1`]))

    it('is never fallen back to once a registry was known by its certificate', async () => {
      const secure = await startTls(await authority.issue('was-secure'))
      const added = await holdfast.json(['registry', 'add', 'once-secure', secure.url, '--ca-file', authority.caFile])
      assert.equal(added.exitCode, 0, added.stdout + added.stderr)
      await secure.kill()
      await start({root: plain.root, port: secure.port})
      await fails([`${secure.host}/hello:v1`], 'PLAIN_HTTP')
    })
  })

  describe('HTTPS with a self-signed certificate', () => {
    let secure: DockerRegistry
    let certificateFile: string

    before(async () => {
      const certificate = await createSelfSignedCertificate(join(directory.path, 'self-signed'))
      certificateFile = certificate.certificateFile
      secure = await startTls(certificate)
    })

    it('is refused, and the reason is named', async () => {
      assert.match(await fails([`${secure.host}/hello:v1`], 'TLS'), /self-signed/)
    })

    it('is accepted with the certificate as CA file', () => succeeds([`${secure.host}/hello:v1`, '--source-ca-file', certificateFile]))

    it('is accepted with checks off', () => succeeds([`${secure.host}/hello:v1`, '--source-insecure']))

    it('is refused with the CA file of somebody else', () =>
      fails([`${secure.host}/hello:v1`, '--source-ca-file', authority.caFile], 'TLS'))
  })

  describe('HTTPS with a certificate of an authority', () => {
    it('needs no flag where the machine trusts the authority', async () => {
      const secure = await startTls(await authority.issue('trusted'))
      await succeeds([`${secure.host}/hello:v1`], {NODE_EXTRA_CA_CERTS: authority.caFile})
    })

    it('needs no flag where only the operating system trusts the authority', async () => {
      const secure = await startTls(await authority.issue('system'))
      const system = {SSL_CERT_FILE: authority.caFile}
      await succeeds([`${secure.host}/hello:v1`], system)
      const added = await holdfast.json(['registry', 'add', 'by-system', secure.url], {env: system})
      assert.equal(added.exitCode, 0, added.stdout + added.stderr)
      const other = await startTls(await createSelfSignedCertificate(join(directory.path, 'not-in-system')))
      await fails([`${other.host}/hello:v1`], 'TLS', system)
    })

    it('is accepted with a CA file, also one of several authorities', async () => {
      const secure = await startTls(await authority.issue('with-file'))
      const other = await createCertificateAuthority(join(directory.path, 'other-ca'))
      const bundle = join(directory.path, 'bundle.pem')
      await writeFile(bundle, other.ca + (await readFile(authority.caFile, 'utf8')))
      await succeeds([`${secure.host}/hello:v1`, '--source-ca-file', bundle])
    })

    it('is refused where nobody knows the authority', async () => {
      const secure = await startTls(await authority.issue('unknown'))
      await fails([`${secure.host}/hello:v1`], 'TLS')
    })

    it('is refused when it expired, and the reason is named', async () => {
      const secure = await startTls(await authority.issue('expired', {expired: true}))
      assert.match(await fails([`${secure.host}/hello:v1`, '--source-ca-file', authority.caFile], 'TLS'), /expired/)
    })

    it('is refused when it is for another host, and the reason is named', async () => {
      const secure = await startTls(await authority.issue('another', {names: 'DNS:another.example'}))
      assert.match(await fails([`${secure.host}/hello:v1`, '--source-ca-file', authority.caFile], 'TLS'), /another\.example|host name/)
    })

    it('is a target as good as any other once it is declared', async () => {
      const secure = await startTls(await authority.issue('target'))
      const added = await holdfast.json(['registry', 'add', 'internal', secure.url, '--ca-file', authority.caFile])
      assert.equal(added.exitCode, 0, added.stdout + added.stderr)
      const cached = await cacheImage(holdfast, [`${plain.host}/hello:v1`, '--to', 'internal'])
      assert.ok(cached.pinnedReference.startsWith(`${secure.host}/`))
      assert.equal((await fetchManifest(plain.url, cached.repository, 'latest'))?.digest, sample.digest)
    })
  })
})
