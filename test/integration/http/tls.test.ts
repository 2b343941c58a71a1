import assert from 'node:assert/strict'
import {readFile} from 'node:fs/promises'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import type {TLSSocket, TlsOptions} from 'node:tls'
import {type HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import type {TlsSettings} from '../../../src/lib/http/client.ts'
import {requestJson} from '../../../src/lib/http/json-client.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {
  type Certificate,
  type CertificateAuthority,
  createCertificateAuthority,
  createSelfSignedCertificate,
} from '../../support/certificates.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {type Peer, type ScriptedServer, startScriptedServer, tlsOptionsOf} from './scripted-server.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'

/** Both clients speak TLS by the same settings, so both are held to the same table. */
const CLIENTS: Readonly<Record<string, (url: URL, tls: TlsSettings) => Promise<number>>> = {
  'the wire client': async (url, tls) => {
    const client = createWireClient({tlsFor: (origin) => (origin === url.origin ? tls : undefined)})
    try {
      return (await client.request({method: 'GET', url})).status
    } finally {
      client.close()
    }
  },
  'the JSON client': async (url, tls) => (await requestJson({method: 'GET', url, tls})).status,
}

describe('TLS', () => {
  const afterwards = cleanUpAfterwards()
  let authority: CertificateAuthority
  let selfSigned: Certificate
  let good: Certificate
  let wrongHost: Certificate
  let expired: Certificate

  before(async () => {
    const directory = await createTemporaryDirectory('tls')
    afterwards(directory.remove)
    authority = await createCertificateAuthority(directory.path)
    selfSigned = await createSelfSignedCertificate(directory.path)
    good = await authority.issue('good')
    wrongHost = await authority.issue('wrong-host', {names: 'DNS:other.test'})
    expired = await authority.issue('expired', {expired: true})
  })

  const start = async (
    certificate: Certificate,
    options: TlsOptions = {},
    script?: (peer: Peer) => Promise<void>,
  ): Promise<ScriptedServer> => {
    const obliging = async (peer: Peer): Promise<void> => {
      for (;;) {
        await peer.readHead()
        peer.socket.write(OK)
      }
    }
    const server = await startScriptedServer(script ?? obliging, {...(await tlsOptionsOf(certificate)), ...options})
    afterwards(server.stop)
    return server
  }

  for (const [name, get] of Object.entries(CLIENTS)) {
    describe(`of ${name}`, () => {
      const refusal = async (certificate: Certificate, tls: TlsSettings = {}): Promise<HoldfastError> => {
        const {url} = await start(certificate)
        const failure = await get(url, tls).then(
          () => assert.fail('it was trusted'),
          (error: unknown) => error,
        )
        assert.ok(hasCode(failure, 'TLS'), String(failure))
        return failure
      }

      it('trusts an authority that it was given', async () => {
        assert.equal(await get((await start(good)).url, {ca: authority.ca}), 200)
      })

      it('trusts a self-signed certificate that it was given as its own authority', async () => {
        assert.equal(await get((await start(selfSigned)).url, {ca: await readFile(selfSigned.certificateFile, 'utf8')}), 200)
      })

      it('says that a certificate is self-signed, and how to go on', async () => {
        const failure = await refusal(selfSigned)
        assert.match(failure.message, /self-signed/)
        assert.ok(failure.hints.some((hint) => hint.includes('--ca-file')) && failure.hints.some((hint) => hint.includes('--insecure')))
      })

      it('says that the authority is unknown', async () => assert.match((await refusal(good)).message, /unknown authority/))
      it('says that a certificate has expired', async () => assert.match((await refusal(expired, {ca: authority.ca})).message, /expired/))
      it('says that a certificate is for another host', async () => {
        assert.match((await refusal(wrongHost, {ca: authority.ca})).message, /another host name/)
      })

      it('takes any certificate when checks are off', async () => {
        for (const certificate of [selfSigned, good, expired, wrongHost])
          assert.equal(await get((await start(certificate)).url, {insecure: true}), 200)
      })

      it('shows its client certificate to the origin it is for', async () => {
        const {url} = await start(good, {ca: authority.ca, requestCert: true, rejectUnauthorized: true})
        const client = await authority.issue('client')
        const pair = {clientCert: await readFile(client.certificateFile, 'utf8'), clientKey: await readFile(client.keyFile, 'utf8')}
        assert.equal(await get(url, {ca: authority.ca, ...pair}), 200)
        await assert.rejects(get(url, {ca: authority.ca}), (error) => hasCode(error, 'TLS', 'NETWORK'))
      })

      it('calls a key that is none a matter of configuration, without showing it', async () => {
        const {url} = await start(good)
        await assert.rejects(
          get(url, {clientCert: 'canary', clientKey: 'canary'}),
          (error) => hasCode(error, 'CONFIGURATION') && !error.message.includes('canary'),
        )
      })

      it('tells a server that speaks plain HTTP from one that is broken', async () => {
        const server = createServer((_request, response) => response.end('{}'))
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
        afterwards(() => server.close())
        const {port} = server.address() as AddressInfo
        await assert.rejects(get(new URL(`https://127.0.0.1:${port}/`), {}), (error) => hasCode(error, 'PLAIN_HTTP'))
      })

      it('speaks nothing below TLS 1.2', async () => {
        const {url} = await start(good, {minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0'})
        await assert.rejects(get(url, {insecure: true}), (error) => hasCode(error, 'TLS', 'NETWORK'))
      })
    })
  }

  it('names the client certificate that a server misses', async () => {
    const {url} = await start(good, {ca: authority.ca, requestCert: true, rejectUnauthorized: true})
    const client = createWireClient({tlsFor: () => ({ca: authority.ca})})
    afterwards(() => client.close())
    await assert.rejects(
      client.request({method: 'GET', url}),
      (error) => hasCode(error, 'TLS') && error.hints.some((hint) => hint.includes('--client-cert')),
    )
  })

  it('is resumed by the next connection to the same origin', async () => {
    const resumed: boolean[] = []
    const server = await start(good, {}, async (peer) => {
      resumed.push((peer.socket as TLSSocket).isSessionReused())
      await peer.readHead()
      peer.socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    })
    const client = createWireClient({tlsFor: () => ({ca: authority.ca})})
    afterwards(() => client.close())
    for (let count = 0; count < 2; count += 1) await client.request({method: 'GET', url: server.url})
    assert.deepEqual(resumed, [false, true])
  })

  it('offers HTTP/1.1 alone, and a name only when the host is one', async () => {
    const server = await start(good, {ALPNProtocols: ['h2', 'http/1.1']})
    const client = createWireClient({tlsFor: () => ({ca: authority.ca})})
    afterwards(() => client.close())
    await client.request({method: 'GET', url: server.url})
    await client.request({method: 'GET', url: new URL(`https://localhost:${server.port}/`)})
    const sockets = server.peers.map(({socket}) => socket as TLSSocket & {readonly servername: string | false})
    assert.deepEqual(
      sockets.map(({alpnProtocol, servername}) => [alpnProtocol, servername]),
      [
        ['http/1.1', false],
        ['http/1.1', 'localhost'],
      ],
    )
  })
})
