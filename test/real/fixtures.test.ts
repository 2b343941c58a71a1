/** The test house itself: what the other real tests stand on is accepted by genuine servers and clients. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {connect} from 'node:tls'
import {downloadedBlobs, uploadedBlobs} from '../support/access-log.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createCertificateAuthority, createSelfSignedCertificate} from '../support/certificates.ts'
import {type ContainerClients, createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createImage, createIndex, createLayer, layerDigests, type SampleImage} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'
import {startTokenServer} from '../support/token-server.ts'

describe('the fixtures of the real tests', () => {
  needs('docker-registry', 'skopeo', 'podman', 'openssl', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  const layer = createLayer('hello', 'hello, world\n')
  let directory: TemporaryDirectory
  let registry: DockerRegistry
  let clients: ContainerClients

  before(async () => {
    directory = await createTemporaryDirectory('fixtures')
    afterwards(directory.remove)
    registry = await startDockerRegistry()
    afterwards(registry.stop)
    clients = await createContainerClients(directory.path, {insecure: [registry.host]})
  })

  for (const format of ['oci', 'docker'] as const) {
    it(`makes ${format} images that podman unpacks`, async () => {
      await pushImage(registry.url, `sample-${format}`, 'v1', createImage([layer], {format, user: 'nobody', ports: ['80/tcp']}))
      const pulled = await clients.podman('pull', '-q', `${registry.host}/sample-${format}:v1`)
      assert.equal(pulled.exitCode, 0, pulled.stderr)
    })
  }

  it('makes images of several platforms that skopeo copies whole, and an access log that has every blob of it', async () => {
    const image = (architecture: string): SampleImage => createImage([layer, createLayer('arch', architecture)], {architecture})
    const index = createIndex({'linux/amd64': image('amd64'), 'linux/arm64': image('arm64')})
    await pushImage(registry.url, 'multi', 'v1', index)
    await registry.forgetAccessLog()
    const target = `dir:${join(directory.path, 'copy')}`
    const copied = await clients.skopeo('copy', '--all', `docker://${registry.host}/multi:v1`, target)
    assert.equal(copied.exitCode, 0, copied.stderr)
    const log = await registry.accessLog()
    const given = downloadedBlobs(log)
    for (const digest of layerDigests(index)) assert.ok(given.includes(digest), digest)
    assert.equal(uploadedBlobs(log).length, 0)
  })

  it('starts registries that want a password', async () => {
    const account = {username: 'alice', password: 'correct horse'}
    const closed = await startDockerRegistry({root: registry.root, htpasswd: account})
    afterwards(closed.stop)
    const inspect = (...credentials: readonly string[]) =>
      clients.skopeo('inspect', '--tls-verify=false', ...credentials, `docker://${closed.host}/multi:v1`)
    assert.notEqual((await inspect()).exitCode, 0)
    assert.notEqual((await inspect('--creds', 'alice:wrong')).exitCode, 0)
    const answer = await inspect('--creds', `${account.username}:${account.password}`)
    assert.equal(answer.exitCode, 0, answer.stderr)
  })

  it('starts registries that want a token, and a token server whose tokens they accept', async () => {
    const tokens = await startTokenServer({directory: join(directory.path, 'token'), users: {alice: 'secret'}})
    afterwards(tokens.stop)
    const closed = await startDockerRegistry({root: registry.root, token: tokens.registryOptions})
    afterwards(closed.stop)
    const inspect = (...credentials: readonly string[]) =>
      clients.skopeo('inspect', '--tls-verify=false', ...credentials, `docker://${closed.host}/multi:v1`)
    assert.notEqual((await inspect()).exitCode, 0)
    assert.notEqual((await inspect('--creds', 'alice:wrong')).exitCode, 0)
    const answer = await inspect('--creds', 'alice:secret')
    assert.equal(answer.exitCode, 0, answer.stderr)
  })

  it('makes certificates that are trusted, of an unknown authority, self-signed and expired', async () => {
    const authority = await createCertificateAuthority(join(directory.path, 'ca'))
    const good = await authority.issue('good')
    const expired = await authority.issue('expired', {expired: true})
    const selfSigned = await createSelfSignedCertificate(join(directory.path, 'self-signed'))
    const reasonFor = async (certificate: typeof good, ca: string | undefined): Promise<string> => {
      const server = await startDockerRegistry({root: registry.root, tls: certificate})
      afterwards(server.stop)
      return new Promise((resolve, reject) => {
        const socket = connect({host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ...(ca ? {ca} : {})}, () => {
          resolve(socket.authorized ? 'trusted' : String(socket.authorizationError))
          socket.destroy()
        })
        socket.once('error', reject)
      })
    }
    assert.equal(await reasonFor(good, authority.ca), 'trusted')
    assert.equal(await reasonFor(good, undefined), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE')
    assert.equal(await reasonFor(selfSigned, undefined), 'DEPTH_ZERO_SELF_SIGNED_CERT')
    assert.equal(await reasonFor(expired, authority.ca), 'CERT_HAS_EXPIRED')
  })
})
