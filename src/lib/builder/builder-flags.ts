/**
 * The flags of the builder of Diego's Docker lifecycle, of both generations: `-dockerRegistryAddresses` (until August 2015) and host, port and addresses (after it).
 * Messages and exit codes are those of cloudfoundry/docker_app_lifecycle, which stagers and tests look for.
 */
import {HoldfastError} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'
import {parseInstance} from '../service-discovery/instance.ts'
import {BuilderError} from './builder-error.ts'
import {defaultLines, type GoFlagSet, type GoFlagValues, invalidValue, isOn, parseGoFlags} from './go-flags.ts'

const BUILDER_FLAGS: GoFlagSet = {
  dockerRef: {kind: 'text', usage: 'docker image reference in standard docker string format'},
  dockerImageURL: {kind: 'text', usage: 'docker image uri in docker://[registry/][scope/]repository[#tag] format'},
  outputMetadataJSONFilename: {
    kind: 'text',
    usage: 'filename in which to write the app metadata',
    default: '/tmp/result/result.json',
  },
  insecureDockerRegistries: {kind: 'list', usage: 'insecure Docker Registry addresses (host:port)'},
  dockerRegistryAddresses: {kind: 'list', usage: 'Docker Registry addresses (ip:port)'},
  dockerRegistryIPs: {kind: 'list', usage: 'Docker Registry IPs'},
  dockerRegistryHost: {kind: 'text', usage: 'Docker Registry host'},
  dockerRegistryPort: {kind: 'number', usage: 'Docker Registry port', default: '8080'},
  dockerRegistryRequireTLS: {kind: 'switch', usage: 'Use HTTPS when contacting the Docker Registry'},
  dockerDaemonExecutablePath: {
    kind: 'text',
    usage: "path to the 'docker' executable",
    default: '/tmp/docker_app_lifecycle/docker',
  },
  dockerDaemonUnixSocket: {
    kind: 'text',
    usage: 'path to the unix socket the docker daemon is listening to',
    default: '/var/run/docker.sock/info',
  },
  cacheDockerImage: {kind: 'switch', usage: 'Caches Docker images to private docker registry'},
  dockerLoginServer: {kind: 'text', usage: 'Docker Login server address', default: 'https://index.docker.io/v1/'},
  dockerUser: {kind: 'text', usage: 'User for pulling from docker registry'},
  dockerPassword: {kind: 'text', usage: 'Password for pulling from docker registry'},
  dockerEmail: {kind: 'text', usage: 'Email for pulling from docker registry'},
  // Holdfast's own.
  pinDigest: {kind: 'switch', usage: 'Names the digest of a cached image in the metadata', default: 'true'},
}

const DEFAULT_RESULT_FILE = '/tmp/result/result.json'
const DEFAULT_LOGIN_SERVER = 'https://index.docker.io/v1/'
const DEFAULT_REGISTRY_PORT = 8080
const MAX_PORT = 65_535

export interface BuilderSettings {
  /** The image as the user named it. */
  readonly dockerRef: string
  readonly resultFile: string
  /** Flags of before August 2015: the result and the messages are of that time, too. */
  readonly isFirstGeneration: boolean
  /** `host:port` */
  readonly insecureRegistries: readonly string[]
  /** What the image's own registry is shown, whichever server is named. */
  readonly login?: BuilderLogin | undefined
  /** Absent: the image is looked at and not cached. */
  readonly cache?: CacheSettings | undefined
  readonly daemonPath?: string | undefined
}

export interface BuilderLogin {
  /** As it was written; what is printed. */
  readonly server: string
  readonly username: string
  readonly password: Secret
}

export interface CacheSettings {
  /** How the cached image names its registry, in the newer generation; an instance's address in the older one. */
  readonly name?: {readonly host: string; readonly port: number} | undefined
  readonly instances: readonly {readonly host: string; readonly port: number}[]
  readonly requireTls: boolean
  /** The result names the digest. */
  readonly pinDigest: boolean
}

/**
 * Reads and checks the arguments.
 * @param fileExists tells whether the engine is there.
 * @throws {BuilderError} exit code 2 for what Go's flag package refuses, 1 for what the builder does.
 */
export function parseBuilderArguments(args: readonly string[], fileExists: (path: string) => boolean): BuilderSettings {
  const values = parseGoFlags(args, BUILDER_FLAGS)
  const text = (name: string): string => values.get(name)?.at(-1) ?? ''
  const isFirstGeneration = values.has('dockerRegistryAddresses')
  const setTwice = `${isFirstGeneration ? '' : 'Insecure '}Docker Registries flag already set`
  const insecureRegistries = parseRegistries(values, 'insecureDockerRegistries', setTwice)
  const addresses = parseRegistries(values, 'dockerRegistryAddresses', setTwice)
  const ips = parseIps(values)
  // The URL before the reference, as it was then.
  const dockerRef = fromImageUrl(text('dockerImageURL')) || text('dockerRef')
  if (dockerRef === '') {
    const missing = isFirstGeneration ? 'dockerImageURL or dockerRef' : 'dockerRef'
    throw new BuilderError(1, `missing flag: ${missing} required`, {more: defaultLines(BUILDER_FLAGS)})
  }
  const settings = {dockerRef, resultFile: text('outputMetadataJSONFilename') || DEFAULT_RESULT_FILE, isFirstGeneration}
  // Without caching the builder judges none of the rest.
  if (!isOn(values, 'cacheDockerImage')) return {...settings, insecureRegistries, login: findLogin(text)}
  const cache = isFirstGeneration ? readFirstCache(values, addresses) : readCache(values, ips)
  const login = readLogin(text)
  const daemonPath = text('dockerDaemonExecutablePath')
  if (daemonPath !== '' && !fileExists(daemonPath)) throw new BuilderError(1, `docker daemon not found in ${daemonPath}`)
  const {name, requireTls} = cache
  return {
    ...settings,
    insecureRegistries: requireTls || name === undefined ? insecureRegistries : [...insecureRegistries, `${name.host}:${name.port}`],
    login,
    cache,
    daemonPath: daemonPath === '' ? undefined : daemonPath,
  }
}

function readFirstCache(values: GoFlagValues, addresses: readonly string[]): CacheSettings {
  const instances = addresses.map((address) => {
    try {
      return parseInstance(address)
    } catch (cause) {
      if (!(cause instanceof HoldfastError)) throw cause
      throw invalidValue(BUILDER_FLAGS, 'dockerRegistryAddresses', addresses.join(','), `ip:port expected for Docker Registry [${address}]`)
    }
  })
  return {instances, requireTls: isOn(values, 'dockerRegistryRequireTLS'), pinDigest: isOn(values, 'pinDigest')}
}

function readCache(values: GoFlagValues, ips: readonly string[]): CacheSettings {
  const text = (name: string): string => values.get(name)?.at(-1) ?? ''
  if (ips.length === 0) throw new BuilderError(1, 'missing flag: dockerRegistryIPs required')
  const host = text('dockerRegistryHost')
  if (host === '') throw new BuilderError(1, 'missing flag: dockerRegistryHost required')
  if (host.includes(':')) throw new BuilderError(1, `invalid host format ${host}`)
  const port = values.has('dockerRegistryPort') ? Number(text('dockerRegistryPort')) : DEFAULT_REGISTRY_PORT
  if (port < 0) throw new BuilderError(1, `negative port number ${port}`)
  if (port > MAX_PORT) throw new BuilderError(1, `port number too big ${port}`)
  return {
    name: {host, port},
    instances: ips.map((ip) => ({host: ip, port})),
    requireTls: isOn(values, 'dockerRegistryRequireTLS'),
    pinDigest: isOn(values, 'pinDigest', true),
  }
}

/** All three of 2015; the e-mail address means nothing any more, and may be omitted. */
function readLogin(text: (name: string) => string): BuilderLogin | undefined {
  const [username, password, email] = [text('dockerUser'), text('dockerPassword'), text('dockerEmail')]
  if ((username === '') !== (password === '') || (email !== '' && username === '')) {
    throw new BuilderError(1, 'missing flags: dockerUser, dockerPassword and dockerEmail required simultaneously')
  }
  if (email !== '' && !(email.includes('@') && email.includes('.'))) throw new BuilderError(1, `invalid dockerEmail [${email}]`)
  const login = findLogin(text)
  if (login !== undefined && !isGoUrl(login.server)) throw new BuilderError(1, `invalid dockerLoginServer [${login.server}]`)
  return login
}

function findLogin(text: (name: string) => string): BuilderLogin | undefined {
  const [username, password] = [text('dockerUser'), text('dockerPassword')]
  if (username === '' || password === '') return undefined
  return {server: text('dockerLoginServer') || DEFAULT_LOGIN_SERVER, username, password: new Secret(password)}
}

/** Go's `url.Parse` refuses hardly anything: a colon at the beginning, a control character, an escape that is none, a bracket that is not closed. */
function isGoUrl(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  return !/^:|[\x00-\x1f\x7f]|%(?![0-9a-fA-F]{2})|\/\/\[[^\]]*$/.test(text)
}

/** `host:port,host:port`, once; as much of it is checked as the builder checks. @throws {BuilderError} exit code 2, in the words of Go's flag package. */
function parseRegistries(values: GoFlagValues, name: string, setTwice: string): readonly string[] {
  return parseList(values, name, setTwice, (registry) => {
    if (registry.includes('://')) return `no scheme allowed for Docker Registry [${registry}]`
    return registry.includes(':') ? undefined : `ip:port expected for Docker Registry [${registry}]`
  })
}

function parseIps(values: GoFlagValues): readonly string[] {
  const wrong = (ip: string): string | undefined => (ip.includes(':') ? `unexpected format for [${ip}]` : undefined)
  return parseList(values, 'dockerRegistryIPs', 'Docker Registry IPs flag already set', wrong).filter((ip) => ip !== '')
}

function parseList(values: GoFlagValues, name: string, setTwice: string, wrong: (entry: string) => string | undefined): readonly string[] {
  const [first, second] = values.get(name) ?? []
  if (first === undefined) return []
  const entries = first.split(',').map((entry) => entry.trim())
  for (const entry of entries) {
    const reason = wrong(entry)
    if (reason !== undefined) throw invalidValue(BUILDER_FLAGS, name, first, reason)
  }
  if (second !== undefined) throw invalidValue(BUILDER_FLAGS, name, second, setTwice)
  return entries
}

/** `docker://[registry/][scope/]repository[#tag]`, of before October 2015: without a registry it begins with a third slash. */
function fromImageUrl(url: string): string {
  if (url === '') return ''
  const [, path = '', tag] = /^docker:\/\/\/?([^#]+)(?:#(.+))?$/.exec(url) ?? []
  return path === '' ? '' : tag === undefined ? path : `${path}:${tag}`
}
