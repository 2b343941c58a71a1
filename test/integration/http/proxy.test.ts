import assert from 'node:assert/strict'
import {readFile} from 'node:fs/promises'
import {connect} from 'node:net'
import type {TLSSocket} from 'node:tls'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {requestJson} from '../../../src/lib/http/json-client.ts'
import {createWireClient, type WireClient} from '../../../src/lib/http/wire/client.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type CertificateAuthority, createCertificateAuthority} from '../../support/certificates.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {HashingSink, type Peer, randomBody, type ScriptedServer, sha256, startScriptedServer, tlsOptionsOf} from './scripted-server.ts'

const CREDENTIALS = `Basic ${Buffer.from('proxy-user:proxy pass').toString('base64')}`

describe('a proxy', () => {
  const afterwards = cleanUpAfterwards()
  const body = randomBody(2 * 1024 * 1024 + 3)
  let authority: CertificateAuthority
  let origin: ScriptedServer
  let proxyHeads: string[] = []
  let originHeads: string[] = []

  before(async () => {
    const directory = await createTemporaryDirectory('proxy')
    afterwards(directory.remove)
    authority = await createCertificateAuthority(directory.path)
    const certificate = await authority.issue('origin')
    origin = await startScriptedServer(
      async (peer) => {
        for (;;) {
          originHeads.push(await peer.readHead())
          peer.socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body]))
        }
      },
      {...(await tlsOptionsOf(certificate)), ca: authority.ca, requestCert: true, rejectUnauthorized: false},
    )
    afterwards(origin.stop)
  })

  beforeEach(() => {
    proxyHeads = []
    originHeads = []
  })

  /** Opens tunnels, and answers what is no CONNECT by itself. */
  const tunnel = async (peer: Peer): Promise<void> => {
    for (;;) {
      const head = await peer.readHead()
      proxyHeads.push(head)
      const port = /^CONNECT 127\.0\.0\.1:(\d+) /.exec(head)?.[1]
      if (port === undefined) {
        peer.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}')
        continue
      }
      const upstream = connect(Number(port), '127.0.0.1')
      upstream.on('error', () => peer.socket.destroy())
      peer.socket.removeAllListeners('data')
      peer.socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      peer.socket.pipe(upstream).pipe(peer.socket)
      return
    }
  }
  const startProxy = async (script = tunnel, name?: string): Promise<URL> => {
    const options =
      name === undefined ? undefined : {...(await tlsOptionsOf(await authority.issue(name))), requestCert: true, rejectUnauthorized: false}
    const proxy = await startScriptedServer(script, options)
    afterwards(proxy.stop)
    return new URL(`http://proxy-user:proxy%20pass@127.0.0.1:${proxy.port}`)
  }
  const newClient = (proxy: URL, tls = {}): WireClient => {
    const client = createWireClient({proxyFor: () => proxy, tlsFor: () => ({ca: authority.ca, ...tls})})
    afterwards(() => client.close())
    return client
  }

  it('opens one tunnel to an https origin for many requests, and the body comes byte for byte', async () => {
    const client = newClient(await startProxy())
    for (let count = 0; count < 2; count += 1) {
      const sink = new HashingSink('slow', false)
      await client.request({method: 'GET', url: origin.url, headers: {authorization: 'Bearer canary'}, sinkFor: () => sink})
      assert.deepEqual([sink.sizeBytes, sink.digest], [body.length, sha256(body)])
    }
    const authorityForm = `127.0.0.1:${origin.port}`
    assert.deepEqual(proxyHeads, [
      `CONNECT ${authorityForm} HTTP/1.1\r\nHost: ${authorityForm}\r\nProxy-Authorization: ${CREDENTIALS}\r\n\r\n`,
    ])
    assert.equal(originHeads.length, 2)
    assert.ok(originHeads.every((head) => !/proxy-authorization/i.test(head)))
  })

  it('is asked for a plain origin in absolute form, over the same connection for several origins', async () => {
    const client = newClient(await startProxy())
    for (const host of ['a.test', 'b.test:5000']) {
      const headers = {'proxy-authorization': 'Basic from-the-caller'}
      assert.equal((await client.request({method: 'GET', url: new URL(`http://${host}/v2/?x=1`), headers})).status, 200)
    }
    assert.deepEqual(
      proxyHeads.map((head) => head.split('\r\n').slice(0, 3)),
      ['a.test', 'b.test:5000'].map((host) => [
        `GET http://${host}/v2/?x=1 HTTP/1.1`,
        `Host: ${host}`,
        `Proxy-Authorization: ${CREDENTIALS}`,
      ]),
    )
    assert.equal(client.statistics.connections, 1)
  })

  it('never sees the client certificate that is for the origin (GHSA-h3wm-jjqf-8jm2)', async () => {
    const seenByProxy: boolean[] = []
    const proxy = await startProxy(async (peer) => {
      seenByProxy.push(Object.keys((peer.socket as TLSSocket).getPeerCertificate()).length > 0)
      peer.socket.destroy()
    }, 'proxy')
    const pair = await authority.issue('client')
    const tls = {clientCert: await readFile(pair.certificateFile, 'utf8'), clientKey: await readFile(pair.keyFile, 'utf8'), insecure: true}
    proxy.protocol = 'https:'
    // The proxy's certificate is unknown here, and switching the origin's checks off does not switch the proxy's off.
    await assert.rejects(newClient(proxy, tls).request({method: 'GET', url: origin.url}), (error) => hasCode(error, 'TLS'))
    assert.ok(seenByProxy.every((hasSeen) => !hasSeen))
    const plain = newClient(await startProxy(), tls)
    await plain.request({method: 'GET', url: origin.url})
    const last = origin.peers.at(-1)?.socket as TLSSocket
    assert.equal(last.getPeerCertificate().subject?.CN, 'client')
  })

  for (const [name, answer, reason] of [
    ['wants other credentials', 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n', /credentials/],
    ['refuses the tunnel', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', /403/],
    ['speaks no HTTP', 'SSH-2.0-x\r\n\r\n', /does not answer in HTTP/],
    ['hangs up', '', /closed the connection/],
  ] as const) {
    it(`that ${name} is named in the error, but not its password`, async () => {
      const proxy = await startProxy(async (peer) => {
        await peer.readHead()
        peer.socket.end(answer)
      })
      await assert.rejects(newClient(proxy).request({method: 'GET', url: origin.url}), (error) => {
        assert.ok(hasCode(error, name === 'wants other credentials' ? 'CONFIGURATION' : 'NETWORK'), String(error))
        assert.match(error.message, reason)
        return error.message.includes(proxy.host) && !/proxy.?pass/.test(error.message.replaceAll('%20', ' '))
      })
    })
  }

  it('that accepts and says nothing ends with TIMEOUT', async () => {
    const proxy = await startProxy(async () => {})
    const client = createWireClient({proxyFor: () => proxy, connectTimeoutMs: 60})
    afterwards(() => client.close())
    await assert.rejects(client.request({method: 'GET', url: origin.url}), (error) => hasCode(error, 'TIMEOUT'))
  })

  it('carries the JSON client as well: plain requests in absolute form, with its credentials', async () => {
    const proxy = await startProxy()
    assert.deepEqual((await requestJson({method: 'GET', url: new URL('http://auth.test/token?scope=x'), proxy})).json, {})
    assert.match(proxyHeads[0] ?? '', /^GET http:\/\/auth\.test\/token\?scope=x HTTP\/1\.1\r\n/)
    assert.ok(proxyHeads[0]?.toLowerCase().includes(`proxy-authorization: ${CREDENTIALS.toLowerCase()}`))
  })

  it('carries the JSON client through a tunnel to an https origin', async () => {
    const proxy = await startProxy()
    // The body is above the cap of the JSON client, which shows that it came.
    await assert.rejects(requestJson({method: 'GET', url: origin.url, proxy, tls: {ca: authority.ca}}), (error) =>
      hasCode(error, 'INTEGRITY'),
    )
    assert.equal(originHeads.length, 1)
    assert.match(proxyHeads[0] ?? '', /^CONNECT /)
  })
})
