/** The arguments that a stager gives the builder, in the order of the stager of 2015 (cloudfoundry/stager, docker backend); the registry is looked for only when an app has opted in. */
import {HoldfastError} from '../../core/errors.ts'
import type {Secret} from '../../core/secret.ts'
import type {StagingRequest} from './staging-request.ts'

/** As the stager names it. */
const RESULT_FILE = '/tmp/docker-result/result.json'
const CACHE_VARIABLE = 'DIEGO_DOCKER_CACHE'

interface Instance {
  readonly host: string
  readonly port: number
}

export interface BuilderArgumentsOptions {
  /** How images shall name the registry; its first instance when absent. */
  readonly registryAddress?: Instance | undefined
  /** `host:port` of registries that speak plain HTTP or have a certificate that nobody knows. */
  readonly insecureRegistries: readonly string[]
  /** The cache is one of these as well. */
  readonly isCacheInsecure: boolean
  readonly findInstances: () => Promise<readonly Instance[]>
}

/** One argument; a secret is shown only by who means to. */
export type Argument = string | Secret

/**
 * The argument vector.
 * @throws {HoldfastError} USAGE with the stager's own words: `missing app id`, `missing docker image download url`, `missing docker credentials`,
 * `missing docker registry`, `invalid docker registry address`; what looking for instances throws, for apps that have opted in.
 */
export async function builderArguments(request: StagingRequest, options: BuilderArgumentsOptions): Promise<readonly Argument[]> {
  const {appId, dockerImage, environment, loginServer, user, password, email} = request
  if (appId === '') throw refused('missing app id')
  if (dockerImage === '') throw refused('missing docker image download url')
  const head: Argument[] = ['-outputMetadataJSONFilename', RESULT_FILE, '-dockerRef', dockerImage]
  // Exactly this text: neither True nor 1.
  if (environment[CACHE_VARIABLE] !== 'true') return [...head, ...insecureArguments(options.insecureRegistries)]
  // The e-mail address went out of use; the other two belong together.
  if ((user === undefined) !== (password === undefined) || (email !== undefined && user === undefined))
    throw refused('missing docker credentials')
  const instances = await options.findInstances()
  const [first] = instances
  if (first === undefined) throw refused('missing docker registry')
  const {host, port} = options.registryAddress ?? first
  if (host === '' || host.includes(':') || !(port >= 0 && port <= 65_535)) throw refused('invalid docker registry address')
  const insecure = options.isCacheInsecure
    ? [...options.insecureRegistries, ...instances.map((instance) => `${instance.host}:${instance.port}`)]
    : options.insecureRegistries
  return [
    ...head,
    ...insecureArguments([...new Set(insecure)]),
    '-cacheDockerImage',
    ...['-dockerRegistryHost', host, '-dockerRegistryPort', String(port)],
    ...['-dockerRegistryIPs', instances.map((instance) => instance.host).join(',')],
    ...(loginServer === undefined ? [] : ['-dockerLoginServer', loginServer]),
    ...(user === undefined || password === undefined ? [] : ['-dockerUser', user, '-dockerPassword', password]),
    ...(user === undefined || email === undefined ? [] : ['-dockerEmail', email]),
  ]
}

function insecureArguments(registries: readonly string[]): readonly string[] {
  return registries.length === 0 ? [] : ['-insecureDockerRegistries', registries.join(',')]
}

function refused(reason: string): HoldfastError {
  return new HoldfastError('USAGE', `cannot make the arguments of the builder: ${reason}`)
}
