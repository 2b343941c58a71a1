/** A registry that somebody declared and that means no good: the collector asks it with tokens of its own, and is led nowhere by it. */
import assert from 'node:assert/strict'
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {command, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

describe('a hostile registry', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let owner: Holdfast
  /** What the trap was asked, which nobody has declared. */
  const trapped: IncomingMessage[] = []
  let trap: string
  let hostile: string
  let asked = 0
  let misbehave: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => void response.end()

  async function listen(server: Server, host = '127.0.0.1'): Promise<string> {
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    afterwards(() => new Promise<void>((resolve) => void server.close(() => resolve()).closeAllConnections()))
    return `http://${host}:${(server.address() as AddressInfo).port}`
  }

  before(async () => {
    const temporary = await createTemporaryDirectory('hostile-registry')
    afterwards(temporary.remove)
    owner = await createHoldfast(temporary.path)
    trap = await listen(
      createServer((request, response) => {
        trapped.push(request)
        response.writeHead(200, {'content-type': 'application/json'}).end('{"repositories":["stolen"],"token":"t"}')
      }),
      '127.0.0.2',
    )
    hostile = await listen(
      createServer((request, response) => {
        asked++
        if (request.url !== '/v2/') misbehave(request, response)
        // It does trust the collector: that opens nothing for it.
        else if (request.headers.authorization !== undefined) response.end('{}')
        else response.writeHead(401, {'www-authenticate': 'Bearer realm="https://c.example.com/token",service="hostile"'}).end('{}')
      }),
    )
    await command(owner, ['registry', 'manage', 'hostile', '--url', hostile, '--service', 'hostile'])
  })

  beforeEach(() => {
    trapped.length = 0
  })

  const WAYS: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
    'a redirect': (_request, response) => void response.writeHead(307, {location: `${trap}/v2/_catalog`}).end(),
    'a next page': (_request, response) =>
      void response
        .writeHead(200, {'content-type': 'application/json', link: `<${trap}/v2/_catalog?n=1&last=a>; rel="next"`})
        .end('{"repositories":["a"]}'),
    'a realm': (_request, response) =>
      void response.writeHead(401, {'www-authenticate': `Bearer realm="${trap}/token",service="hostile"`}).end('{}'),
  }
  for (const [what, way] of Object.entries(WAYS)) {
    it(`leads the collector nowhere by ${what}, and nothing that it says there is taken`, async () => {
      misbehave = way
      const {exitCode, stdout} = await owner.json(['registry', 'discover', 'hostile'])
      assert.equal(exitCode, 9, stdout)
      assert.deepEqual(
        trapped.map(({url}) => url),
        [],
      )
      const {repositories} = (await command(owner, ['search', 'stolen'])) as {repositories: readonly unknown[]}
      assert.deepEqual(repositories, [])
    })
  }

  it('is not asked at all outside of the networks that registries may be in', async () => {
    asked = 0
    misbehave = (_request, response) => void response.writeHead(200, {'content-type': 'application/json'}).end('{"repositories":[]}')
    const env = {HOLDFAST_REGISTRY_NETWORK: '10.0.0.0/8,192.168.0.0/16'}
    for (const url of [hostile, hostile.replace('127.0.0.1', 'localhost')]) {
      await command(owner, ['registry', 'manage', 'hostile', '--url', url, '--service', 'hostile'])
      const refused = await owner.json(['registry', 'discover', 'hostile'], {env})
      // In a sweep, or before it when what is there is to prove that it trusts the collector.
      assert.ok([9, 10].includes(refused.exitCode ?? 0), refused.stdout)
      assert.match(refused.envelope.error?.message ?? '', /may not be connected to|not among the networks/)
    }
    assert.equal(asked, 0)
    const elsewhere = await serveCollector(owner, ['--registry-network', '10.0.0.0/8'])
    afterwards(() => elsewhere.stop())
    await owner.json(['registry', 'discover', 'hostile'], {env: {HOLDFAST_REGISTRY_NETWORK: '127.0.0.0/8,::1'}})
    assert.ok(asked > 0, 'it was not asked where it may be')
  })

  it('is no network when it is mistyped, and the server does not start', async () => {
    const {exitCode, envelope} = await owner.json([
      'serve',
      '--authenticate',
      '--listen',
      '127.0.0.1:0',
      '--registry-network',
      '10.0.0.0/99',
    ])
    assert.deepEqual([exitCode, envelope.error?.code], [2, 'USAGE'])
  })
})
