/** Every server ends, in every way in which it can fail or be told to: what has not ended is not started anew. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {existsSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {createServer as createHttpServer} from 'node:http'
import {type AddressInfo, createServer, type Socket} from 'node:net'
import {join} from 'node:path'
import {serveRegistry} from '../../src/lib/server/serve.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createSelfSignedCertificate} from '../support/certificates.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {holdingClients} from '../support/holding-clients.ts'
import {type Postgres, startPostgres} from '../support/postgres.ts'
import {needs} from '../support/required-program.ts'
import {type StartedCommand, startCommand} from '../support/started-command.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {startTricklingRegistry, type TricklingRegistry} from '../support/trickling-registry.ts'
import {until} from '../support/until.ts'

interface Kind {
  readonly name: string
  readonly args: () => readonly string[]
  readonly env?: () => NodeJS.ProcessEnv
  /** What lets it listen beyond loopback. */
  readonly beyond: readonly string[]
}

describe('the end of a process', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let folder: string
  let holdfast: Holdfast
  let upstream: TricklingRegistry
  let store: string
  let database = ''

  before(async () => {
    const directory = await createTemporaryDirectory('ending')
    afterwards(directory.remove)
    folder = directory.path
    holdfast = await createHoldfast(folder)
    upstream = await startTricklingRegistry()
    afterwards(upstream.stop)
    const served = await serveRegistry({dataDirectory: join(folder, 'store'), host: '127.0.0.1', port: 0})
    afterwards(() => served.stop({graceMs: 0}))
    store = `http://127.0.0.1:${served.address.port}/mirror`
  })

  /** A server that takes connections and never says anything. */
  const startSilence = async (): Promise<{readonly port: number; readonly connected: () => number}> => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.resume()
      sockets.add(socket)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    afterwards(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return {port: (server.address() as AddressInfo).port, connected: () => sockets.size}
  }
  const fresh = async (): Promise<Holdfast> => await createHoldfast(join(folder, String(Math.random()).slice(2)))

  const serve = (args: readonly string[], env: NodeJS.ProcessEnv = {}, home = holdfast) => startCommand(home, [...args, '--json'], {env})

  const REGISTRY: Kind = {name: 'serve', args: () => ['serve'], beyond: []}
  const COLLECTOR: Kind = {name: 'serve --authenticate', args: () => ['serve', '--authenticate'], beyond: []}
  const POSTGRES: Kind = {
    name: 'serve --authenticate with PostgreSQL',
    args: () => ['serve', '--authenticate'],
    env: () => ({HOLDFAST_DATABASE_URL: database}),
    beyond: [],
  }
  const MIRROR: Kind = {
    name: 'mirror serve',
    args: () => ['mirror', 'serve', '--upstream', upstream.url],
    beyond: ['--allow', '127.0.0.0/8'],
  }
  const SHARED_MIRROR: Kind = {
    name: 'mirror serve --store',
    args: () => ['mirror', 'serve', '--upstream', upstream.url, '--store', store],
    beyond: ['--allow', '127.0.0.0/8'],
  }
  /** Its store trickles as its upstream does. */
  const STARVED_MIRROR: Kind = {
    name: 'mirror serve --store, both of them',
    args: () => ['mirror', 'serve', '--upstream', upstream.url, '--store', `${upstream.url}/mirror`],
    beyond: [],
  }

  function endsLikeEveryServer(kind: Kind): void {
    const start = (flags: readonly string[]) => serve([...kind.args(), '--listen', '127.0.0.1:0', ...flags], kind.env?.())

    it('ends with an error when its port is taken, and has opened nothing', async () => {
      const taken = await startSilence()
      const home = await fresh()
      const {exitCode, stdout} = await serve([...kind.args(), '--listen', `127.0.0.1:${taken.port}`], kind.env?.(), home).ended()
      assert.equal(exitCode, 10)
      assert.equal(JSON.parse(stdout).error.code, 'ADDRESS_IN_USE')
      assert.equal(existsSync(join(home.dataDirectory, 'collector.db')), false, 'it opened its database')
    })

    it('ends with an error when the address is not one of this machine', async () => {
      const args = [...kind.args(), '--listen', '192.0.2.1:0', ...kind.beyond]
      const {exitCode, stdout} = await serve(args, kind.env?.()).ended()
      assert.equal(exitCode, 10)
      assert.match(JSON.parse(stdout).error.code, kind === REGISTRY ? /^LISTEN_NOT_LOOPBACK$/ : /^CONFIGURATION$/)
    })

    it('ends with an error when its certificate cannot be read or does not fit its key', async () => {
      const {certificateFile, keyFile} = await createSelfSignedCertificate(folder)
      const broken = join(folder, 'broken.pem')
      await writeFile(broken, 'not a certificate')
      for (const [certificate, key] of [
        [join(folder, 'missing.pem'), keyFile],
        [broken, keyFile],
        [certificateFile, broken],
      ]) {
        const {exitCode, stdout} = await start(['--tls-cert', certificate ?? '', '--tls-key', key ?? '']).ended()
        assert.equal(exitCode, 10, stdout)
        assert.equal(JSON.parse(stdout).error.code, 'CONFIGURATION')
      }
    })

    it('ends when it is told to while it starts', async () => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        const server = start([])
        server.kill(signal)
        const {exitCode, signal: by} = await server.ended()
        assert.ok(by === signal || exitCode === 130 || exitCode === 0, `${by} ${exitCode}`)
      }
    })

    it('ends with 0 on SIGTERM and on SIGINT while nothing goes on', async () => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        const server = start([])
        await server.listening()
        server.kill(signal)
        await endsWith(0, server)
      }
    })

    it('ends with 0 while clients hold it up, and at once on a second signal', async () => {
      for (const signals of [1, 2]) {
        const server = start([])
        const port = await server.listening()
        const sockets = await Promise.all(holdingClients().map(({hold}) => hold(port)))
        server.kill('SIGTERM')
        if (signals === 2) {
          await once(sockets[1] as Socket, 'close')
          server.kill('SIGTERM')
        }
        await endsWith(signals === 2 ? 130 : 0, server)
        for (const socket of sockets) socket.destroy()
      }
    })
  }

  for (const kind of [REGISTRY, COLLECTOR, MIRROR, SHARED_MIRROR]) describe(`of ${kind.name}`, () => endsLikeEveryServer(kind))

  describe(`of ${POSTGRES.name}`, () => {
    needs('initdb', 'postgres')
    let postgres: Postgres
    before(async () => {
      postgres = await startPostgres()
      afterwards(postgres.stop)
      database = await postgres.createDatabase('ending')
    })
    endsLikeEveryServer(POSTGRES)

    it('comes with the database gone while it serves', async () => {
      const server = serve([...POSTGRES.args(), '--listen', '127.0.0.1:0'], POSTGRES.env?.())
      await server.listening()
      await postgres.stop()
      server.kill('SIGTERM')
      await endsWith(0, server)
    })
  })

  describe('of a collector', () => {
    it('comes with an error when its database cannot be reached, or says nothing', async () => {
      const silent = await startSilence()
      for (const port of [1, silent.port]) {
        const env = {HOLDFAST_DATABASE_URL: `postgres://nobody@127.0.0.1:${port}/x`}
        const {exitCode, stdout} = await serve(['serve', '--authenticate', '--listen', '127.0.0.1:0'], env).ended()
        assert.equal(exitCode, 10)
        assert.equal(JSON.parse(stdout).error.code, 'STORAGE')
      }
    })

    it('comes with 130 on a signal while it waits for its database', async () => {
      const silent = await startSilence()
      const env = {HOLDFAST_DATABASE_URL: `postgres://nobody@127.0.0.1:${silent.port}/x`}
      const server = serve(['serve', '--authenticate', '--listen', '127.0.0.1:0'], env)
      await until(async () => silent.connected() > 0, 30_000)
      server.kill('SIGTERM')
      const {exitCode, stdout} = await server.ended()
      assert.equal(exitCode, 130)
      assert.equal(JSON.parse(stdout).error.code, 'INTERRUPTED')
    })

    it('comes with an error when its data directory cannot be written to', async () => {
      const file = join(folder, 'a-file')
      await writeFile(file, '')
      const args = ['serve', '--authenticate', '--listen', '127.0.0.1:0', '--data-dir', join(file, 'below')]
      const {exitCode} = await serve(args).ended()
      assert.equal(exitCode, 10)
    })
  })

  for (const kind of [MIRROR, SHARED_MIRROR, STARVED_MIRROR]) {
    describe(`of ${kind.name} whose upstream trickles`, () => {
      for (const what of ['blobs', 'manifests']) {
        for (const isGone of [false, true]) {
          it(`comes with 0 on SIGTERM while ${what} are on their way to a client that ${isGone ? 'has gone' : 'waits'}`, async () => {
            const server = serve([...kind.args(), '--listen', '127.0.0.1:0'], {}, await fresh())
            const port = await server.listening()
            const leave = new AbortController()
            const asked = fetch(`http://127.0.0.1:${port}/v2/app/${what}/${upstream.digest}`, {signal: leave.signal})
              .then((response) => response.text())
              .catch(() => 'broken off')
            await until(async () => upstream.trickling() > 0, 30_000)
            if (isGone) leave.abort()
            server.kill('SIGTERM')
            await endsWith(0, server)
            assert.equal(await asked, 'broken off')
            await until(async () => upstream.trickling() === 0)
          })
        }
      }
    })
  }

  for (const kind of [REGISTRY, COLLECTOR, MIRROR, SHARED_MIRROR]) {
    it(`of ${kind.name} comes with 0 on SIGTERM while it warms from a list, and its upstream trickles`, async () => {
      const list = join(folder, 'list.txt')
      await writeFile(list, `${upstream.host}/app@${upstream.digest}\n`)
      const server = serve([...kind.args(), '--listen', '127.0.0.1:0', '--warm', list], {}, await fresh())
      await server.listening()
      await until(async () => upstream.trickling() > 0, 30_000)
      server.kill('SIGTERM')
      await endsWith(0, server)
      await until(async () => upstream.trickling() === 0)
    })
  }

  describe('of a command that waits', () => {
    const interrupted = async (command: StartedCommand): Promise<void> => {
      command.kill('SIGTERM')
      await endsWith(130, command)
    }

    it('comes with 130 on SIGTERM while an answer trickles', async () => {
      const command = startCommand(holdfast, ['inspect', `${upstream.host}/app@${upstream.digest}`])
      await until(async () => upstream.trickling() > 0, 30_000)
      await interrupted(command)
    })

    it('comes with 130 on SIGTERM while it waits for its standard input', async () => {
      const command = startCommand(holdfast, ['warm', '-'], {isAsked: true})
      await command.reads('# a remark\n'.repeat(500_000))
      await interrupted(command)
    })

    it('comes with 130 on SIGTERM while a code is confirmed with a browser', async () => {
      const provider = await startPendingProvider()
      afterwards(provider.stop)
      const command = startCommand(holdfast, ['login', provider.host, '--sso'])
      await command.says('CODE-CODE')
      await interrupted(command)
    })

    it('comes with 0 on SIGTERM while it follows events', async () => {
      const home = await fresh()
      await home.json(['user', 'list'])
      const command = startCommand(home, ['events', '--follow'])
      await command.says('no registry has notified')
      command.kill('SIGTERM')
      await endsWith(0, command)
    })
  })
})

/** A registry, its collector and an identity provider in one, where nobody ever confirms a code. */
async function startPendingProvider(): Promise<{readonly host: string; stop(): void}> {
  const server = createHttpServer((request, response) => {
    const url = `http://${request.headers.host}`
    const send = (status: number, body: object, headers: Readonly<Record<string, string>> = {}): void =>
      void response.writeHead(status, {'content-type': 'application/json', ...headers}).end(JSON.stringify(body))
    const path = request.url?.split('?')[0]
    if (path === '/v2/') return send(401, {}, {'www-authenticate': `Bearer realm="${url}/token",service="x"`})
    if (path === '/.well-known/identity-providers') {
      return send(200, {identityProviders: [{name: 'p', issuer: url, clientId: 'holdfast', scopes: ['openid']}]})
    }
    if (path === '/.well-known/openid-configuration') {
      return send(200, {issuer: url, device_authorization_endpoint: `${url}/device`, token_endpoint: `${url}/poll`})
    }
    if (path === '/device') {
      return send(200, {device_code: 'secret', user_code: 'CODE-CODE', verification_uri: url, expires_in: 1800, interval: 1})
    }
    send(400, {error: 'authorization_pending'})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Holds the end of a process against an exit code, and shows what it said when that is another one. */
async function endsWith(expected: number, command: StartedCommand): Promise<void> {
  const {exitCode, signal, stdout, stderr} = await command.ended()
  assert.equal(exitCode ?? signal, expected, stdout + stderr)
}
