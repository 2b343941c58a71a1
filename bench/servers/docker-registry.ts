/** A real docker-registry over a folder, with what it was asked read from its access log. */
import {mkdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {freePort} from '../../test/support/free-port.ts'
import type {Certificates} from './certificates.ts'
import {type ServerProcess, startServer} from './server-process.ts'

/** What went over the wire since the log was last reset. */
export interface Traffic {
  readonly requests: number
  /** Bodies of the registry's answers. */
  readonly bytesSent: number
  /** Blobs that were uploaded to it. */
  readonly uploads: number
}

export interface DockerRegistry {
  /** `127.0.0.1:port`. */
  readonly host: string
  readonly url: string
  /** Where it stores its images. */
  readonly root: string
  /** Stops it, deletes all it stores and starts it again at the same address. */
  empty(): Promise<void>
  /** Traffic since the registry was started or this was last called. */
  takeTraffic(): Promise<Traffic>
  usage: ServerProcess['usage']
  stop(): Promise<void>
}

export interface DockerRegistryOptions {
  readonly program: string
  /** Where its configuration and its log go. */
  readonly folder: string
  /** Where the images are; `data` in the folder when absent. */
  readonly root?: string
  readonly certificates?: Certificates
  /** The URL of what it mirrors: a pull-through cache. */
  readonly proxy?: string
}

const ACCESS = /"(GET|HEAD|POST|PUT|PATCH|DELETE) (\/v2\/\S*) HTTP\/[\d.]+" (\d{3}) (\d+)/

/** Starts a registry with the settings that Debian ships: filesystem storage, in-memory blob descriptors, access log on. */
export async function startDockerRegistry(options: DockerRegistryOptions): Promise<DockerRegistry> {
  const {program, folder, certificates} = options
  const root = options.root ?? join(folder, 'data')
  const configFile = join(folder, 'config.json')
  const logFile = join(folder, 'access.log')
  const port = await freePort()
  const host = `127.0.0.1:${port}`
  await mkdir(root, {recursive: true})
  const tls = certificates === undefined ? {} : {tls: {certificate: certificates.certFile, key: certificates.keyFile}}
  // JSON is YAML.
  const config = {
    version: '0.1',
    log: {level: 'error'},
    storage: {filesystem: {rootdirectory: root}, cache: {blobdescriptor: 'inmemory'}, delete: {enabled: true}},
    http: {addr: host, secret: 'benchmark', ...tls},
    ...(options.proxy === undefined ? {} : {proxy: {remoteurl: options.proxy}}),
  }
  await writeFile(configFile, JSON.stringify(config))

  const start = () => startServer([program, 'serve', configFile], {port, logFile, environment: {PATH: process.env.PATH ?? ''}})
  let server = await start()
  let readLines = 0
  return {
    host,
    url: `${certificates === undefined ? 'http' : 'https'}://${host}`,
    root,
    async empty() {
      await server.stop()
      await rm(root, {recursive: true})
      await mkdir(root)
      server = await start()
      readLines = 0
    },
    async takeTraffic() {
      const lines = (await readFile(logFile, 'utf8')).split('\n')
      const fresh = lines.slice(readLines, -1)
      readLines = lines.length - 1
      return trafficOf(fresh)
    },
    usage: () => server.usage(),
    stop: () => server.stop(),
  }
}

function trafficOf(lines: readonly string[]): Traffic {
  const accesses = lines.map((line) => ACCESS.exec(line)).filter((match) => match !== null)
  return {
    requests: accesses.length,
    bytesSent: accesses.reduce((sum, [, method, , , bytes]) => sum + (method === 'HEAD' ? 0 : Number(bytes)), 0),
    uploads: accesses.filter(([, method, path, status]) => method === 'PUT' && path?.includes('/blobs/uploads/') && status === '201')
      .length,
  }
}
