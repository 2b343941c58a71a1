import assert from 'node:assert/strict'
import {createServer, type RequestListener} from 'node:http'
import type {AddressInfo} from 'node:net'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {type DeclareRequest, declareRegistry, removeRegistry, updateRegistry} from '../../../src/lib/registries/declare.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type CertificateAuthority, createCertificateAuthority, createSelfSignedCertificate} from '../../support/certificates.ts'
import {type DockerRegistryOptions, startDockerRegistry} from '../../support/docker-registry.ts'
import {needs} from '../../support/required-program.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {startTokenServer} from '../../support/token-server.ts'
import {account, openDependencies} from './registry-fixture.ts'

describe('declaring a registry', () => {
  needs('docker-registry', 'openssl', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let authority: CertificateAuthority

  before(async () => {
    const temporary = await createTemporaryDirectory('declare')
    afterwards(temporary.remove)
    directory = temporary.path
    authority = await createCertificateAuthority(`${directory}/ca`)
  })

  async function start(options: DockerRegistryOptions = {}) {
    const registry = await startDockerRegistry(options)
    afterwards(registry.stop)
    return registry
  }

  async function dependencies(...credentials: Parameters<typeof account> | []) {
    const opened = await openDependencies(directory, credentials.length === 2 ? account(...credentials) : undefined)
    afterwards(opened.close)
    return opened
  }

  /** A scripted server; answers its `host:port`. */
  async function listen(answer: RequestListener): Promise<string> {
    const server = createServer((request, response) => {
      request.resume()
      request.once('end', () => answer(request, response))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    afterwards(() => {
      server.close()
      server.closeAllConnections()
    })
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  const wish = (url: string, change: Partial<DeclareRequest> = {}): DeclareRequest => ({name: 'internal', url, probe: true, ...change})

  it('finds out that a loopback registry speaks plain HTTP, as docker does, and that it refuses a wrong digest', async () => {
    const {host} = await start()
    const opened = await dependencies()
    const {registry, notes} = await declareRegistry(wish(host), opened)
    assert.equal(registry.flavour, 'http')
    assert.equal(registry.url, `http://${host}`)
    assert.equal(registry.plainHttp, true)
    assert.equal(registry.authScheme, 'none')
    assert.deepEqual(registry.capabilities, {refusesWrongDigest: true, mountsFromItself: true})
    assert.deepEqual(registry.pinnedHosts, [])
    assert.deepEqual(notes, [])
    assert.deepEqual(await opened.store.findRegistry(host), registry)
  })

  it('does not fall back to plain HTTP for somebody who wrote https', async () => {
    const {host} = await start()
    const opened = await dependencies()
    await assert.rejects(
      declareRegistry(wish(`https://${host}`), opened),
      (error) => hasCode(error, 'PLAIN_HTTP') && error.hints.some((hint) => hint.includes('--plain-http')),
    )
    assert.deepEqual(await opened.store.listRegistries(), [], 'nothing is saved')
  })

  it('wants to be told that another machine may be spoken to in the clear', async () => {
    const opened = await dependencies()
    const request = wish('http://registry.invalid:5000', {probe: false})
    await assert.rejects(declareRegistry(request, opened), (error) => hasCode(error, 'PLAIN_HTTP'))
    assert.equal((await declareRegistry({...request, plainHttp: true}, opened)).registry.url, 'http://registry.invalid:5000')
  })

  it('refuses a self-signed certificate, names it, and accepts it by CA file or with checks off', async () => {
    const tls = await createSelfSignedCertificate(`${directory}/self`)
    const {url} = await start({tls})
    const opened = await dependencies()
    await assert.rejects(declareRegistry(wish(url), opened), (error) => {
      assert.ok(hasCode(error, 'TLS'))
      assert.match(error.message, /"CN=localhost", issued by "CN=localhost", valid from 20/)
      assert.ok(error.hints.some((hint) => hint.includes('holdfast registry add internal') && hint.endsWith('--ca-file registry.pem')))
      return true
    })
    const trusted = await declareRegistry(wish(url, {caFile: tls.certificateFile}), opened)
    assert.equal(trusted.registry.flavour, 'https-self-signed')
    await removeRegistry(opened.store, 'internal')
    const insecure = await declareRegistry(wish(url, {insecure: true}), opened)
    assert.equal(insecure.registry.flavour, 'https-self-signed')
    assert.equal(insecure.registry.capabilities.refusesWrongDigest, true)
  })

  it('takes a certificate of an authority that it is given', async () => {
    const {url} = await start({tls: await authority.issue('server')})
    const opened = await dependencies()
    await assert.rejects(
      declareRegistry(wish(url), opened),
      (error) => hasCode(error, 'TLS') && /Holdfast test authority/.test(error.message),
    )
    const {registry} = await declareRegistry(wish(url, {caFile: authority.caFile}), opened)
    assert.equal(registry.flavour, 'https-ca-signed')
    assert.equal(registry.plainHttp, false)
  })

  it('names an expired certificate and its end, and one for another host and its names', async () => {
    const opened = await dependencies()
    const expired = await start({tls: await authority.issue('expired', {expired: true})})
    await assert.rejects(
      declareRegistry(wish(expired.url, {caFile: authority.caFile}), opened),
      (error) => hasCode(error, 'TLS') && /it has expired/.test(error.message) && /to 2020-01-01/.test(error.message),
    )
    const other = await start({tls: await authority.issue('other', {names: 'DNS:other.example.com'})})
    await assert.rejects(
      declareRegistry(wish(other.url, {caFile: authority.caFile}), opened),
      (error) => hasCode(error, 'TLS') && /for DNS:other\.example\.com, not for 127\.0\.0\.1/.test(error.message),
    )
  })

  it('sees Basic authentication, declares without credentials, and proves with them', async () => {
    const {host} = await start({htpasswd: {username: 'alice', password: 'canary-secret'}})
    const anonymous = await dependencies()
    const {registry, notes} = await declareRegistry(wish(host), anonymous)
    assert.equal(registry.authScheme, 'basic')
    assert.deepEqual(registry.capabilities, {})
    assert.equal(notes.length, 1)
    const known = await dependencies('alice', 'canary-secret')
    const proven = await declareRegistry(wish(host), known)
    assert.equal(proven.registry.capabilities.refusesWrongDigest, true)
    assert.ok(!JSON.stringify(proven).includes('canary-secret'))
  })

  it('pins the host of the token realm and says so', async () => {
    const tokens = await startTokenServer({directory: `${directory}/tokens`, users: {alice: 'canary-secret'}})
    afterwards(tokens.stop)
    const {host} = await start({token: tokens.registryOptions})
    const realmHost = new URL(tokens.realm).host
    const opened = await dependencies('alice', 'canary-secret')
    const {registry, notes} = await declareRegistry(wish(host), opened)
    assert.equal(registry.authScheme, 'bearer')
    assert.equal(registry.realm, tokens.realm)
    assert.deepEqual(registry.pinnedHosts, [realmHost])
    assert.ok(notes.some((note) => note.includes(realmHost)))
    assert.equal(registry.capabilities.refusesWrongDigest, true)
  })

  it('pins the realm that is named at an update instead of the former one, and keeps what the user trusts', async () => {
    const refuseTokens = () => listen((_request, response) => response.writeHead(403).end())
    const [first, second] = [await refuseTokens(), await refuseTokens()]
    let realm = first
    const host = await listen((_request, response) => {
      response.writeHead(401, {'www-authenticate': `Bearer realm="http://${realm}/token",service="s"`}).end()
    })
    const opened = await dependencies()
    const added = await declareRegistry(wish(`http://${host}`, {trustHosts: ['Storage.example.com:9000']}), opened)
    assert.deepEqual(added.registry.pinnedHosts, ['storage.example.com:9000', first])
    realm = second
    const updated = await updateRegistry('internal', {probe: true}, opened)
    assert.deepEqual(updated.registry.pinnedHosts, ['storage.example.com:9000', second])
    assert.ok(updated.notes.some((note) => note.includes(second)))
  })

  it('pins a realm on another host when the user says so, which is asked before anything is sent there', async () => {
    const sent: unknown[] = []
    const realm = (
      await listen((request, response) => {
        sent.push(request.headers.authorization)
        response.writeHead(200).end('{"token":"t"}')
      })
    ).replace('127.0.0.1', 'localhost')
    const host = await listen((request, response) => {
      const headers = {'www-authenticate': `Bearer realm="http://${realm}/token",service="s"`}
      response.writeHead(request.headers.authorization === undefined ? 401 : 200, headers).end()
    })
    const opened = await dependencies('alice', 'canary-secret')
    for (const answer of [undefined, false]) {
      const confirmRealm = answer === undefined ? undefined : async () => answer
      await assert.rejects(declareRegistry(wish(host), {...opened, confirmRealm}), (error) => {
        assert.ok(hasCode(error, 'UNTRUSTED_HOST'))
        assert.deepEqual(error.hints, [`holdfast registry add internal ${host} --trust-host ${realm}`])
        return true
      })
    }
    assert.deepEqual([sent, await opened.store.listRegistries()], [[], []])
    const asked: (readonly [string, number])[] = []
    const {registry} = await declareRegistry(wish(host), {
      ...opened,
      confirmRealm: async (question) => {
        asked.push([question.host, sent.length])
        return true
      },
    })
    assert.deepEqual([asked, registry.pinnedHosts], [[[realm, 0]], [realm]])
    assert.ok(sent.length > 0 && sent.every((authorization) => authorization !== undefined))
  })

  it('pins no other host that uploads are sent to, and says how to', async () => {
    const received: unknown[] = []
    const storage = (
      await listen((request, response) => {
        received.push(request.url)
        response.writeHead(400).end()
      })
    ).replace('127.0.0.1', 'localhost')
    const host = await listen((request, response) => {
      if (request.method === 'POST') response.writeHead(202, {location: `http://${storage}/upload?state=1`}).end()
      else response.writeHead(200).end()
    })
    const {registry, notes} = await declareRegistry(wish(host), await dependencies())
    assert.deepEqual([registry.pinnedHosts, received], [[], []])
    assert.match(notes.join(), new RegExp(`holdfast registry add internal ${host} --trust-host ${storage}`))
  })

  it('pins another port of its own that uploads are sent to', async () => {
    const storage = await listen((_request, response) => response.writeHead(400).end())
    const host = await listen((request, response) => {
      if (request.method === 'POST') response.writeHead(202, {location: `http://${storage}/upload?state=1`}).end()
      else response.writeHead(200).end()
    })
    const {registry, notes} = await declareRegistry(wish(host), await dependencies())
    assert.deepEqual(registry.pinnedHosts, [storage])
    assert.ok(notes.some((note) => note.includes(storage)))
    assert.equal(registry.capabilities.refusesWrongDigest, true)
  })

  it('remembers of a registry that it takes bytes under a wrong digest, and says so', async () => {
    const deleted: (string | undefined)[] = []
    const host = await listen((request, response) => {
      if (request.method === 'DELETE') deleted.push(request.url)
      if (request.method === 'POST') response.writeHead(202, {location: '/v2/holdfast-check/blobs/uploads/1'}).end()
      else response.writeHead(request.method === 'PUT' ? 201 : 200).end()
    })
    const {registry, notes} = await declareRegistry(wish(host), await dependencies())
    assert.equal(registry.capabilities.refusesWrongDigest, false)
    assert.match(notes.join(), /did not refuse a wrong digest/)
    assert.ok(
      deleted.some((path) => /\/blobs\/sha256:/.test(path ?? '')),
      'what it took is deleted again',
    )
  })

  it('refuses a name or host that is declared already, with the way to change it', async () => {
    const opened = await dependencies()
    await declareRegistry(wish('https://registry.invalid', {probe: false}), opened)
    for (const request of [wish('https://elsewhere.invalid', {probe: false}), wish('registry.invalid', {name: 'twin', probe: false})]) {
      await assert.rejects(
        declareRegistry(request, opened),
        (error) => hasCode(error, 'CONFLICT') && error.hints.includes('holdfast registry update internal'),
      )
    }
  })

  it('declares an unreachable registry only when told not to ask it', async () => {
    const opened = await dependencies()
    const gone = await start()
    await gone.kill()
    await assert.rejects(
      declareRegistry(wish(gone.host), opened),
      (error) =>
        hasCode(error, 'NETWORK') && error.hints.some((hint) => hint.includes(`holdfast registry add internal ${gone.host} --no-probe`)),
    )
    const {registry} = await declareRegistry(wish(gone.host, {probe: false, isDefault: true}), opened)
    assert.equal(registry.flavour, undefined)
    assert.equal((await opened.store.findDefaultRegistry())?.name, 'internal')
  })

  it('says that something which is no registry is none', async () => {
    const host = await listen((_request, response) => response.writeHead(404).end())
    await assert.rejects(
      declareRegistry(wish(host), await dependencies()),
      (error) => hasCode(error, 'UNSUPPORTED') && /answers 404/.test(error.message),
    )
  })

  it('changes what is asked for and nothing else, and takes a file away', async () => {
    const {url} = await start({tls: await authority.issue('changed')})
    const opened = await dependencies()
    const {registry} = await declareRegistry(wish(url, {caFile: authority.caFile}), opened)
    const defaulted = await updateRegistry('internal', {isDefault: true, probe: true}, opened)
    assert.deepEqual(defaulted.registry, {...registry, isDefault: true, updatedAt: defaulted.registry.updatedAt})
    await assert.rejects(updateRegistry('internal', {caFile: '', probe: true}, opened), (error) => hasCode(error, 'TLS'))
    assert.equal((await opened.store.findRegistry('internal'))?.caFile, authority.caFile, 'a failed update changes nothing')
    const insecure = await updateRegistry('internal', {caFile: '', insecure: true, probe: true}, opened)
    assert.equal(insecure.registry.caFile, undefined)
    assert.equal(insecure.registry.insecure, true)
  })

  it('forgets what it found out when the registry moves to another host unasked', async () => {
    const {host} = await start()
    const opened = await dependencies()
    await declareRegistry(wish(host), opened)
    const {registry} = await updateRegistry('internal', {url: 'https://registry.invalid', probe: false}, opened)
    assert.equal(registry.url, 'https://registry.invalid')
    assert.equal(registry.plainHttp, false)
    assert.equal(registry.flavour, undefined)
    assert.deepEqual(registry.capabilities, {})
  })

  it('cannot update or remove what was never declared', async () => {
    const opened = await dependencies()
    await assert.rejects(updateRegistry('ghost', {probe: false}, opened), (error) => hasCode(error, 'REGISTRY_NOT_DECLARED'))
    await assert.rejects(removeRegistry(opened.store, 'ghost'), (error) => error instanceof HoldfastError && error.exitCode === 3)
  })
})
