/** The genuine docker-registry (CNCF Distribution 2.8), started on a free port of loopback. */
import type {ChildProcess} from 'node:child_process'
import {writeFile} from 'node:fs/promises'
import {request as httpRequest} from 'node:http'
import {request as httpsRequest} from 'node:https'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import type {Certificate} from './certificates.ts'
import {spawnChild} from './child-process.ts'
import {PATIENCE_MS} from './patience.ts'
import {findProgram} from './required-program.ts'
import {runOk} from './run-program.ts'
import {createTemporaryDirectory} from './temporary-directory.ts'

/** Go writes a line of the log after the answer went out: requests that ended just before are given this long. */
const LOG_SETTLE_MS = 30
const STOP_TIMEOUT_MS = 3_000
/** Shared by all, so that an upload can go on after a restart. */
const HTTP_SECRET = 'shared-by-the-registries-of-the-tests'

export interface DockerRegistryOptions {
  /** The program, where it is not the installed one. */
  readonly program?: string
  readonly tls?: Certificate
  /** One account, asked for with HTTP Basic. */
  readonly htpasswd?: {readonly username: string; readonly password: string}
  readonly token?: {readonly realm: string; readonly service: string; readonly issuer: string; readonly rootCertBundle: string}
  /** The folder of its content; one of its own, removed at the end, when absent. */
  readonly root?: string
  /** The URL of what it mirrors: a pull-through cache. */
  readonly proxy?: string
  /** Who it is there. */
  readonly proxyAccount?: {readonly username: string; readonly password: string}
  readonly readonly?: boolean
  /** Whether it deletes; it does unless told otherwise. */
  readonly delete?: boolean
  /** The port of one that was stopped; a free one when absent. */
  readonly port?: number
}

/** One answered request, as the registry's own access log has it. */
export interface AccessLogEntry {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: string
  readonly status: number
  /** Bytes of the answer's body. */
  readonly bytes: number
  readonly userAgent: string
}

export interface DockerRegistry {
  /** `127.0.0.1:port`. */
  readonly host: string
  readonly port: number
  /** `http://127.0.0.1:port` or `https://…`. */
  readonly url: string
  readonly pid: number
  /** The folder of its content, for another registry to serve. */
  readonly root: string
  /** Every request answered since the start or since `forgetAccessLog`, in the order of their ends. */
  accessLog(): Promise<readonly AccessLogEntry[]>
  /** Starts the access log anew. */
  forgetAccessLog(): Promise<void>
  /** Stops it with SIGKILL and keeps its content: the port is free when this settles. */
  kill(): Promise<void>
  /** Stops it, and removes its content unless `root` was given. */
  stop(): Promise<void>
}

/** Runs the garbage collection of a docker-registry over a folder that no registry serves; returns what it prints. */
export async function collectGarbage(program: string, root: string, flags: readonly string[] = []): Promise<string> {
  const scratch = await createTemporaryDirectory('garbage-collect')
  try {
    const configFile = join(scratch.path, 'config.yml')
    await writeFile(configFile, JSON.stringify(await configuration({}, root, scratch.path)))
    return await runOk(program, ['garbage-collect', ...flags, configFile], {env: environment()})
  } finally {
    await scratch.remove()
  }
}

/** Starts a docker-registry; plain HTTP and open to everybody unless told otherwise. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const program = options.program ?? findProgram('docker-registry')
  if (program === undefined) throw new Error('docker-registry is not installed')
  const scratch = await createTemporaryDirectory('docker-registry')
  const root = options.root ?? join(scratch.path, 'content')
  const configFile = join(scratch.path, 'config.yml')
  await writeFile(configFile, JSON.stringify(await configuration(options, root, scratch.path)))
  const child = spawnChild(program, ['serve', configFile], {env: environment(), stdio: ['ignore', 'pipe', 'pipe']})
  const log = new AccessLog(child)
  try {
    const port = await listeningPort(child)
    const scheme = options.tls ? 'https' : 'http'
    const host = `127.0.0.1:${port}`
    const url = `${scheme}://${host}`
    const kill = (): Promise<void> => end(child, 'SIGKILL')
    return {
      host,
      port,
      url,
      root,
      pid: child.pid ?? 0,
      accessLog: () => log.entries(url),
      forgetAccessLog: () => log.forget(url),
      kill,
      stop: async () => {
        await end(child, 'SIGTERM')
        await scratch.remove()
      },
    }
  } catch (error) {
    await end(child, 'SIGKILL')
    await scratch.remove()
    throw error
  }
}

/** JSON, which is YAML. */
async function configuration(options: DockerRegistryOptions, root: string, scratch: string): Promise<object> {
  return {
    version: 0.1,
    log: {level: 'info'},
    storage: {
      filesystem: {rootdirectory: root},
      delete: {enabled: options.delete ?? true},
      maintenance: {uploadpurging: {enabled: false}, readonly: {enabled: options.readonly ?? false}},
    },
    http: {
      addr: `127.0.0.1:${options.port ?? 0}`,
      secret: HTTP_SECRET,
      ...(options.tls ? {tls: {certificate: options.tls.certificateFile, key: options.tls.keyFile}} : {}),
    },
    ...(options.proxy === undefined ? {} : {proxy: {remoteurl: options.proxy, ...options.proxyAccount}}),
    ...(options.htpasswd ? {auth: {htpasswd: {realm: 'test', path: await passwordFile(options.htpasswd, scratch)}}} : {}),
    ...(options.token ? {auth: {token: {...options.token, rootcertbundle: options.token.rootCertBundle}}} : {}),
  }
}

async function passwordFile(account: {readonly username: string; readonly password: string}, scratch: string): Promise<string> {
  const file = join(scratch, 'htpasswd')
  await writeFile(file, await runOk('htpasswd', ['-niB', '-C', '4', account.username], {input: `${account.password}\n`}))
  return file
}

function environment(): NodeJS.ProcessEnv {
  // REGISTRY_* would override the file; AWS_CA_BUNDLE makes its S3 driver panic.
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('REGISTRY_') && name !== 'AWS_CA_BUNDLE'))
}

function listeningPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const said: string[] = []
    const fail = (reason: string): void => reject(new Error(`docker-registry ${reason}: ${said.join('\n')}`))
    const timer = setTimeout(() => fail(`did not start in ${PATIENCE_MS} ms`), PATIENCE_MS)
    child.once('exit', (code) => {
      clearTimeout(timer)
      fail(`ended with ${code}`)
    })
    child.once('error', reject)
    if (child.stderr === null) return
    createInterface({input: child.stderr}).on('line', (line) => {
      if (said.length < 50) said.push(line)
      const port = /listening on [^ "]*:([0-9]+)/.exec(line)?.[1]
      if (port === undefined) return
      clearTimeout(timer)
      resolve(Number(port))
    })
  })
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill(signal)
  })
}

/** `host - user [date] "METHOD URI PROTOCOL" status bytes "referer" "agent"`: Apache's combined format. */
const COMBINED = /^\S+ \S+ \S+ \[[^\]]*\] "([A-Z]+) (\S+) [^"]*" ([0-9]{3}) ([0-9]+|-) "[^"]*" "([^"]*)"$/
const MARK_AGENT = 'holdfast-test-mark'

class AccessLog {
  #entries: AccessLogEntry[] = []
  #marks = 0
  readonly #waiting = new Map<string, () => void>()

  constructor(child: ChildProcess) {
    if (child.stdout === null) return
    createInterface({input: child.stdout}).on('line', (line) => this.#add(line))
  }

  async entries(url: string): Promise<readonly AccessLogEntry[]> {
    await this.#reachEnd(url)
    return [...this.#entries]
  }

  async forget(url: string): Promise<void> {
    await this.#reachEnd(url)
    this.#entries = []
  }

  #add(line: string): void {
    const [, method, uri, status, bytes, userAgent] = COMBINED.exec(line) ?? []
    if (method === undefined || uri === undefined || userAgent === undefined) return
    if (userAgent.startsWith(MARK_AGENT)) {
      this.#waiting.get(userAgent)?.()
      return
    }
    const [path = '', query = ''] = uri.split('?', 2)
    this.#entries.push({method, path, query, status: Number(status), bytes: bytes === '-' ? 0 : Number(bytes), userAgent})
  }

  /** Sends a request of our own and waits until it is in the log: what ended before is in it as well. */
  #reachEnd(url: string): Promise<void> {
    const mark = `${MARK_AGENT}-${++this.#marks}`
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the access log of ${url} has no end`)), PATIENCE_MS)
      this.#waiting.set(mark, () => {
        clearTimeout(timer)
        this.#waiting.delete(mark)
        setTimeout(resolve, LOG_SETTLE_MS)
      })
      const options = {headers: {'user-agent': mark}, rejectUnauthorized: false, agent: false}
      const request = url.startsWith('https:') ? httpsRequest(`${url}/v2/`, options) : httpRequest(`${url}/v2/`, options)
      request.on('response', (response) => response.resume())
      request.on('error', reject)
      request.end()
    })
  }
}
