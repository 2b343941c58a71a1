/** The cells and the router of a foundation: genuine docker-registries and nginx with what their apps say, an address for each route, and rounds over the instances of a route. */
import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {createServer, request as forward, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {spawnChild} from './child-process.ts'
import type {InstanceRunner, RunningInstance} from './fake-cf/fake-cf.ts'
import type {App} from './fake-cf/state.ts'
import {freePort} from './free-port.ts'
import {findProgram} from './required-program.ts'
import {run} from './run-program.ts'
import {createTemporaryDirectory} from './temporary-directory.ts'
import {until} from './until.ts'

export class Cells implements InstanceRunner {
  url = ''
  /** What the mirrors mirror, instead of Docker Hub. */
  upstream = ''
  forwardedFor: string | undefined
  isBroken = false
  /** What was rendered for nginx. */
  proxyConfiguration = ''
  started = 0
  readonly #children = new Set<ChildProcess>()
  /** Ports behind an app. */
  readonly #instances = new Map<string, number[]>()
  readonly #servers: Server[] = []
  #turn = 0
  #mirrorPort = 0

  /** The public route of nginx, and the internal one of the mirror. */
  async open(): Promise<void> {
    const route = async (app: string, forwards: boolean): Promise<number> => {
      const server = createServer((incoming, response) => {
        const ports = this.#instances.get(app) ?? []
        const port = ports[this.#turn++ % ports.length]
        if (port === undefined) return void response.writeHead(503).end()
        const headers = {...incoming.headers}
        // As the router of the platform does: it appends who asks; here tests say who that is.
        if (forwards) headers['x-forwarded-for'] = String(this.forwardedFor ?? incoming.headers['x-forwarded-for'] ?? '')
        const sent = forward({host: '127.0.0.1', port, path: incoming.url, method: incoming.method, headers, agent: false}, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        })
        sent.on('error', () => response.headersSent || response.writeHead(502).end())
        incoming.pipe(sent)
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      this.#servers.push(server)
      return (server.address() as AddressInfo).port
    }
    this.url = `http://127.0.0.1:${await route('mirror-proxy', true)}`
    this.#mirrorPort = await route('mirror', false)
  }

  async #spawn(app: App): Promise<{child: ChildProcess; port: number}> {
    const port = await freePort()
    const scratch = await createTemporaryDirectory('cell')
    const variables = Object.fromEntries(app.variables)
    if (app.name === 'mirror') {
      const config = join(scratch.path, 'config.yml')
      // What the image of the registry has: its variables say the rest.
      await writeFile(
        config,
        `version: 0.1\nlog: {level: error}\nhttp: {addr: "127.0.0.1:${port}"}\nstorage: {cache: {blobdescriptor: inmemory}}\n`,
      )
      const env = {...variables, REGISTRY_PROXY_REMOTEURL: this.upstream, PATH: process.env.PATH}
      const serving = this.isBroken ? ['no-such-command'] : ['serve', config]
      return {child: spawnChild(findProgram('docker-registry') ?? '', serving, {env, stdio: 'ignore'}), port}
    }
    // What the buildpack fills in; its name servers know the internal route, which is an address here.
    const files = join(scratch.path, 'nginx')
    await mkdir(files)
    const conf = (await readFile(this.proxyConfiguration, 'utf8'))
      .replace('{{port}}', `127.0.0.1:${port}`)
      .replace('{{nameservers}}', '127.0.0.1')
      .replace('{{env "MIRROR_ROUTE"}}', '127.0.0.1')
      .replace(/(\$mirror):5000/, `$1:${this.#mirrorPort}`)
      .replace('/dev/stdout', join(files, 'access.log'))
      .replace('error_log stderr', `error_log ${join(files, 'error.log')}`)
      .replace(
        'http {',
        `http {\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${files}/${kind};`).join('\n')}`,
      )
    await writeFile(join(files, 'nginx.conf'), `pid ${files}/nginx.pid;\n${conf}`)
    const args = ['-p', files, '-c', join(files, 'nginx.conf')]
    const looked = await run(findProgram('nginx') ?? 'nginx', ['-t', ...args])
    if (looked.exitCode !== 0) throw new Error(looked.stderr)
    return {child: spawnChild(findProgram('nginx') ?? 'nginx', args, {stdio: 'ignore'}), port}
  }

  async start(app: App): Promise<RunningInstance> {
    const {child, port} = await this.#spawn(app)
    this.#children.add(child)
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`it has ended with ${child.exitCode}`)
      return (await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined)) !== undefined
    })
    this.started++
    const ports = this.#instances.get(app.name) ?? []
    this.#instances.set(app.name, ports)
    ports.push(port)
    return {
      stop: async () => {
        ports.splice(ports.indexOf(port), 1)
        // What is on its way may end.
        await sleep(300)
        child.kill('SIGTERM')
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
        this.#children.delete(child)
      },
    }
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const server of this.#servers) server.close()
  }
}
