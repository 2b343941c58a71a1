/** The cells and the router of a foundation: genuine docker-registries and nginx with what their apps say, an address for each route, and rounds over the instances of a route. */
import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {createServer, request as forward, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {delimiter, dirname, join} from 'node:path'
import {spawnChild} from './child-process.ts'
import type {InstanceRunner, RunningInstance} from './fake-cf/fake-cf.ts'
import type {App} from './fake-cf/state.ts'
import {freePort} from './free-port.ts'
import {PATIENCE_MS} from './patience.ts'
import {findProgram} from './required-program.ts'
import {run} from './run-program.ts'
import {createTemporaryDirectory} from './temporary-directory.ts'
import {until} from './until.ts'

/** Of gorouter, unless it is told otherwise. */
const ROUTER_ATTEMPTS = 3

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
        const headers = {...incoming.headers}
        // As the router of the platform does: it appends who asks; here tests say who that is.
        if (forwards) headers['x-forwarded-for'] = String(this.forwardedFor ?? incoming.headers['x-forwarded-for'] ?? '')
        const send = (attemptsLeft: number): void => {
          const ports = this.#instances.get(app) ?? []
          const port = ports[this.#turn++ % ports.length]
          if (port === undefined) return void response.writeHead(503).end()
          const sent = forward({host: '127.0.0.1', port, path: incoming.url, method: incoming.method, headers, agent: false}, (answer) => {
            response.writeHead(answer.statusCode ?? 502, answer.headers)
            answer.pipe(response)
            answer.on('error', () => response.destroy())
          })
          sent.on('error', (error) => {
            if (response.headersSent) return void response.destroy()
            // As the router does: an instance that no longer listens is not asked twice, another is.
            const isRefused = 'code' in error && error.code === 'ECONNREFUSED'
            if (isRefused && attemptsLeft > 1) return send(attemptsLeft - 1)
            response.writeHead(502).end()
          })
          incoming.pipe(sent)
        }
        send(ROUTER_ATTEMPTS)
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
      const env = {...withPatience(variables), REGISTRY_PROXY_REMOTEURL: this.upstream, PATH: process.env.PATH}
      const serving = this.isBroken ? ['no-such-command'] : ['serve', config]
      return {child: spawnChild(findProgram('docker-registry') ?? '', serving, {env, stdio: 'ignore', detached: true}), port}
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
    const nginx = findProgram('nginx') ?? 'nginx'
    const looked = await run(nginx, ['-t', '-p', files, '-c', join(files, 'nginx.conf')])
    if (looked.exitCode !== 0) throw new Error(looked.stderr)
    return {child: startBuildpackNginx(app.command ?? 'nginx -p $PWD -c ./nginx.conf', files, nginx), port}
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
        // No pause: what is on its way ends because the instance sees to it.
        child.kill('SIGTERM')
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
        this.#children.delete(child)
      },
    }
  }

  async stop(): Promise<void> {
    for (const child of this.#children) killGroup(child)
    for (const server of this.#servers) server.close()
  }
}

/** Starts nginx in its folder by a start command, as the launcher of Cloud Foundry does; `varify` of the buildpack has nothing left to fill in. */
export function startBuildpackNginx(command: string, folder: string, nginx: string): ChildProcess {
  const PATH = [dirname(nginx), process.env.PATH].join(delimiter)
  return spawnChild('/bin/bash', ['-c', `varify() { :; }; ${command}`], {
    cwd: folder,
    env: {PATH, HOME: folder, DEP_DIR: folder},
    stdio: 'ignore',
    detached: true,
  })
}

/** The variables of docker-registry, with more time to drain where it drains: on a busy machine a request takes longer than Diego's ten seconds. */
export function withPatience(variables: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return variables.REGISTRY_HTTP_DRAINTIMEOUT === undefined ? variables : {...variables, REGISTRY_HTTP_DRAINTIMEOUT: `${PATIENCE_MS}ms`}
}

/** Ends a program that was started in a group of its own, with all that it started. */
export function killGroup({pid}: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
