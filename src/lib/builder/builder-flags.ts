/**
 * The flags of the builder of Diego's Docker lifecycle, of both generations: `-dockerRegistryAddresses` (until August 2015) and host, port and addresses (after it).
 * Messages and exit codes are those of cloudfoundry/docker_app_lifecycle, which stagers and tests look for.
 */
import {isIP} from 'node:net'
import {Secret} from '../core/secret.ts'
import {BuilderError} from './builder-error.ts'
import {type GoFlagKinds, type GoFlagValues, isOn, parseGoFlags} from './go-flags.ts'

const BUILDER_FLAGS: GoFlagKinds = {
  dockerRef: 'text',
  dockerImageURL: 'text',
  outputMetadataJSONFilename: 'text',
  insecureDockerRegistries: 'text',
  dockerRegistryAddresses: 'text',
  dockerRegistryIPs: 'text',
  dockerRegistryHost: 'text',
  dockerRegistryPort: 'number',
  dockerRegistryRequireTLS: 'switch',
  dockerDaemonExecutablePath: 'text',
  dockerDaemonUnixSocket: 'text',
  cacheDockerImage: 'switch',
  dockerLoginServer: 'text',
  dockerUser: 'text',
  dockerPassword: 'text',
  dockerEmail: 'text',
  // Holdfast's own.
  pinDigest: 'switch',
}

const DEFAULT_RESULT_FILE = '/tmp/result/result.json'
const DEFAULT_LOGIN_SERVER = 'https://index.docker.io/v1/'
const DEFAULT_REGISTRY_PORT = 8080
const MAX_PORT = 65_535

export interface BuilderSettings {
  /** The image as the user named it. */
  readonly dockerRef: string
  readonly resultFile: string
  /** `host:port` */
  readonly insecureRegistries: readonly string[]
  readonly login?: {readonly server: string; readonly username: string; readonly password: Secret} | undefined
  /** Absent: the image is looked at and not cached. */
  readonly cache?: CacheSettings | undefined
  readonly daemonPath?: string | undefined
}

export interface CacheSettings {
  /** How the cached image names its registry, in the newer generation; an instance's address in the older one. */
  readonly name?: {readonly host: string; readonly port: number} | undefined
  readonly instances: readonly {readonly host: string; readonly port: number}[]
  readonly requireTls: boolean
  /** The result names the digest. */
  readonly pinDigest: boolean
  /** Flags of before August 2015: the result is of that time, too. */
  readonly isFirstGeneration: boolean
}

/**
 * Reads and checks the arguments.
 * @param fileExists tells whether the engine is there.
 * @throws {BuilderError} exit code 2 for what Go's flag package refuses, 1 for what the builder does.
 */
export function parseBuilderArguments(args: readonly string[], fileExists: (path: string) => boolean): BuilderSettings {
  const values = parseGoFlags(args, BUILDER_FLAGS)
  const text = (name: string): string => values.get(name)?.at(-1) ?? ''
  const insecureRegistries = parseRegistries(values, 'insecureDockerRegistries')
  const addresses = parseRegistries(values, 'dockerRegistryAddresses')
  const dockerRef = text('dockerRef') || fromImageUrl(text('dockerImageURL'))
  if (dockerRef === '') throw new BuilderError(1, 'missing flag: dockerRef required')
  const isCaching = isOn(values, 'cacheDockerImage')
  const settings = {dockerRef, resultFile: text('outputMetadataJSONFilename') || DEFAULT_RESULT_FILE}
  // Without caching the builder looks at none of the rest.
  if (!isCaching) return {...settings, insecureRegistries, login: undefined}
  const cache = readCache(values, addresses)
  const daemonPath = text('dockerDaemonExecutablePath')
  if (daemonPath !== '' && !fileExists(daemonPath)) throw new BuilderError(1, `docker daemon not found in ${daemonPath}`)
  return {
    ...settings,
    insecureRegistries,
    login: readLogin(text),
    cache,
    daemonPath: daemonPath === '' ? undefined : daemonPath,
  }
}

function readCache(values: GoFlagValues, addresses: readonly string[]): CacheSettings {
  const text = (name: string): string => values.get(name)?.at(-1) ?? ''
  const requireTls = isOn(values, 'dockerRegistryRequireTLS')
  if (values.has('dockerRegistryAddresses')) {
    if (addresses.length === 0) throw new BuilderError(1, 'missing flag: dockerRegistryAddresses required')
    const instances = addresses.map((address) => {
      const [host = '', port = ''] = address.split(':')
      return {host, port: Number(port)}
    })
    return {instances, requireTls, pinDigest: isOn(values, 'pinDigest'), isFirstGeneration: true}
  }
  const ips = text('dockerRegistryIPs')
    .split(',')
    .map((ip) => ip.trim())
    .filter((ip) => ip !== '')
  const wrong = ips.find((ip) => ip.includes(':'))
  if (wrong !== undefined) throw new BuilderError(1, `unexpected format for [${wrong}]`)
  if (ips.length === 0) throw new BuilderError(1, 'missing flag: dockerRegistryIPs required')
  const host = text('dockerRegistryHost')
  if (host === '') throw new BuilderError(1, 'missing flag: dockerRegistryHost required')
  if (host.includes(':')) throw new BuilderError(1, `invalid host format ${host}`)
  const port = values.has('dockerRegistryPort') ? Number(text('dockerRegistryPort')) : DEFAULT_REGISTRY_PORT
  if (port < 0) throw new BuilderError(1, `negative port number ${port}`)
  if (port > MAX_PORT) throw new BuilderError(1, `port number too big ${port}`)
  const instances = ips.map((ip) => ({host: ip, port}))
  return {name: {host, port}, instances, requireTls, pinDigest: isOn(values, 'pinDigest', true), isFirstGeneration: false}
}

/** All three of 2015; the e-mail address means nothing any more, and may be left away. */
function readLogin(text: (name: string) => string): BuilderSettings['login'] {
  const [username, password, email] = [text('dockerUser'), text('dockerPassword'), text('dockerEmail')]
  if ((username === '') !== (password === '') || (email !== '' && username === '')) {
    throw new BuilderError(1, 'missing flags: dockerUser, dockerPassword and dockerEmail required simultaneously')
  }
  if (email !== '' && !(email.includes('@') && email.includes('.'))) throw new BuilderError(1, `invalid dockerEmail [${email}]`)
  const server = text('dockerLoginServer') || DEFAULT_LOGIN_SERVER
  if (!URL.canParse(server)) throw new BuilderError(1, `invalid dockerLoginServer [${server}]`)
  return username === '' ? undefined : {server, username, password: new Secret(password)}
}

/** `host:port,host:port`, once. @throws {BuilderError} exit code 2, in the words of Go's flag package. */
function parseRegistries(values: GoFlagValues, name: string): readonly string[] {
  const given = values.get(name) ?? []
  const invalid = (reason: string): BuilderError => new BuilderError(2, `invalid value "${given.at(-1)}" for flag -${name}: ${reason}`)
  if (given.length > 1) throw invalid('Docker Registries flag already set')
  return (given[0] ?? '')
    .split(',')
    .map((registry) => registry.trim())
    .filter((registry) => registry !== '')
    .map((registry) => {
      if (registry.includes('://')) throw invalid(`no scheme allowed for Docker Registry [${registry}]`)
      const [host = '', port = '', ...rest] = registry.split(':')
      if (host === '' || !/^[0-9]{1,5}$/.test(port) || rest.length > 0 || isIP(registry) !== 0) {
        throw invalid(`ip:port expected for Docker Registry [${registry}]`)
      }
      return registry
    })
}

/** `docker://[registry/][scope/]repository[#tag]`, of before October 2015: without a registry it begins with a third slash. */
function fromImageUrl(url: string): string {
  if (url === '') return ''
  const [, path = '', tag] = /^docker:\/\/\/?([^#]+)(?:#(.+))?$/.exec(url) ?? []
  return path === '' ? '' : tag === undefined ? path : `${path}:${tag}`
}
