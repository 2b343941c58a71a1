import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {MAX_JSON_BODY_BYTES, requestJson} from '../../../src/lib/http/json-client.ts'
import type {ObservedExchange} from '../../../src/lib/http/wire/client.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {startScriptedServer} from './scripted-server.ts'

describe('the JSON client', () => {
  const afterwards = cleanUpAfterwards()
  let received: {head: string; body: string} = {head: '', body: ''}

  const answering = async (answer: string | undefined): Promise<URL> => {
    const server = await startScriptedServer(async (peer) => {
      const head = await peer.readHead()
      received = {head, body: (await peer.readBody(Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0))).toString()}
      if (answer !== undefined) peer.socket.end(answer)
    })
    afterwards(server.stop)
    return server.url
  }
  const json = (text: string, status = '200 OK'): string =>
    `HTTP/1.1 ${status}\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: ${text.length}\r\n\r\n${text}`

  it('parses the answer and joins repeated headers', async () => {
    const answer = await requestJson({method: 'GET', url: await answering(json('{"token":"t"}'))})
    assert.deepEqual([answer.status, answer.headers['x-a'], answer.json], [200, '1, 2', {token: 't'}])
  })

  it('sends a form', async () => {
    await requestJson({method: 'POST', url: await answering(json('{}')), form: {grant_type: 'password', scope: 'a b&c'}})
    assert.match(received.head, /^POST \/ .*content-type: application\/x-www-form-urlencoded/is)
    assert.equal(received.body, 'grant_type=password&scope=a+b%26c')
  })

  it('gives an answer that is no JSON its status and nothing else', async () => {
    const answer = await requestJson({method: 'GET', url: await answering(json('<html>', '502 Bad Gateway'))})
    assert.deepEqual([answer.status, answer.json], [502, undefined])
  })

  it('does not follow a redirect', async () => {
    const elsewhere = await startScriptedServer(async () => {})
    afterwards(elsewhere.stop)
    const url = await answering(`HTTP/1.1 302 Found\r\nLocation: ${elsewhere.url}\r\nContent-Length: 0\r\n\r\n`)
    assert.equal((await requestJson({method: 'GET', url, headers: {authorization: 'Basic canary'}})).status, 302)
    assert.equal(elsewhere.peers.length, 0)
  })

  it('reads no more than its cap', async () => {
    const url = await answering(json(`"${'x'.repeat(MAX_JSON_BODY_BYTES)}"`))
    await assert.rejects(requestJson({method: 'GET', url}), (error) => hasCode(error, 'INTEGRITY'))
  })

  it('does not wait for ever', async () => {
    const url = await answering(undefined)
    await assert.rejects(requestJson({method: 'GET', url, timeoutMs: 80}), (error) => hasCode(error, 'TIMEOUT'))
  })

  it('stops when told to', async () => {
    const url = await answering(undefined)
    await assert.rejects(requestJson({method: 'GET', url, signal: AbortSignal.timeout(50)}), (error) => hasCode(error, 'INTERRUPTED'))
  })

  it('calls a connection that breaks NETWORK, and shows no query', async () => {
    const url = await answering('')
    url.search = '?password=canary'
    await assert.rejects(requestJson({method: 'GET', url}), (error) => hasCode(error, 'NETWORK') && !error.message.includes('canary'))
  })

  it('tells of each exchange without its query, whatever became of it', async () => {
    const seen: unknown[] = []
    const onExchange = ({method, host, path, status}: ObservedExchange): void => void seen.push([method, host, path, status])
    const url = await answering(json('{}', '401 Unauthorized'))
    url.pathname = '/token'
    url.search = '?account=canary'
    await requestJson({method: 'GET', url, onExchange})
    const broken = await answering('')
    await assert.rejects(requestJson({method: 'POST', url: broken, form: {password: 'canary'}, onExchange}))
    assert.deepEqual(seen, [
      ['GET', url.host, '/token', 401],
      ['POST', broken.host, '/', undefined],
    ])
  })
})
