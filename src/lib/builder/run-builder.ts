/**
 * What Diego's Docker builder does, without a docker daemon: looks at the image, caches it where told to, and writes the staging result, whole or not at all.
 * Its progress lines are a contract: acceptance tests look for `Docker image will be cached as …` (cloudfoundry/docker_app_lifecycle, requirements B1–B7).
 */
import {randomUUID} from 'node:crypto'
import {cacheImages} from '../caching/cache-images.ts'
import type {RegistryCredential} from '../content/remote/endpoint.ts'
import type {BlobReader, SourceStore, TargetStore} from '../content/store.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {isDigest} from '../oci/digest.ts'
import {
  DEFAULT_TAG,
  DOCKER_HUB,
  formatPinned,
  manifestReference,
  parseReference,
  parseRegistryHost,
  parseRepositoryName,
  type Reference,
  type RegistryHost,
} from '../oci/reference.ts'
import type {BlobLocationStore, CachedImageStore} from '../records/store.ts'
import {withFailover} from '../service-discovery/failover.ts'
import {formatInstance, type RegistryInstance} from '../service-discovery/instance.ts'
import {writeStagingResult} from '../staging/write-staging-result.ts'
import {BuilderError} from './builder-error.ts'
import type {BuilderSettings, CacheSettings} from './builder-flags.ts'

/** Where docker.io is logged in to. */
const HUB_LOGIN_HOSTS = ['index.docker.io', 'docker.io', 'registry-1.docker.io']

interface OpenedCache {
  /** The registry's name in references. */
  readonly registry: RegistryHost
  readonly store: TargetStore & SourceStore & BlobReader
}

export interface BuilderDependencies {
  readonly openSource: (
    reference: Reference,
    access: {readonly isInsecure: boolean; readonly credential: RegistryCredential | undefined},
  ) => Promise<SourceStore & BlobReader>
  /** The registry called `name`, at one of its instances. */
  readonly openCache: (name: RegistryHost, instance: RegistryInstance, requireTls: boolean) => Promise<OpenedCache>
  readonly records: CachedImageStore & BlobLocationStore
  readonly now: () => Date
  /** A number from 0 up to 1. */
  readonly random: () => number
  /** Prints a progress line. */
  readonly say: (line: string) => void
  /** Of the engine, where one is named. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal | undefined
}

export interface BuilderResult {
  readonly resultFile: string
  /** What the result says is to be run. */
  readonly dockerImage: string
  readonly digest: string
}

/** @throws {BuilderError} exit code 2; there is no result file then. INTERRUPTED passes. */
export async function runBuilder(settings: BuilderSettings, dependencies: BuilderDependencies): Promise<BuilderResult> {
  dependencies.say('Staging process started ...')
  try {
    return await build(settings, dependencies)
  } catch (error) {
    if (error instanceof BuilderError || hasCode(error, 'INTERRUPTED')) throw error
    throw new BuilderError(2, `Staging process failed: ${messageOf(error)}`, error)
  }
}

async function build(settings: BuilderSettings, dependencies: BuilderDependencies): Promise<BuilderResult> {
  const reference = parseReference(settings.dockerRef)
  const source = await openSource(settings, reference, dependencies)
  const {store, digest} = source
  const {resultFile, cache} = settings
  if (cache === undefined) {
    const dockerImage = plainName(reference)
    await writeResult(store, {reference, digest, dockerImage, resultFile, isFirstGeneration: false}, dependencies)
    return {resultFile, dockerImage, digest}
  }
  const cached = await cacheDockerImage(settings, cache, {reference, store}, dependencies)
  const {isFirstGeneration} = cache
  await writeResult(cached.store, {...cached, resultFile, isFirstGeneration}, dependencies)
  return {resultFile, dockerImage: cached.dockerImage, digest: cached.digest}
}

interface Looked {
  readonly store: SourceStore & BlobReader
  readonly digest: string
}

/** The image as it is at its origin: without it there is nothing to stage. */
async function openSource(settings: BuilderSettings, reference: Reference, dependencies: BuilderDependencies): Promise<Looked> {
  const {insecureRegistries, login} = settings
  const isInsecure = insecureRegistries.includes(reference.registry)
  const credential: RegistryCredential | undefined =
    login !== undefined && isLoginFor(login.server, reference.registry)
      ? {kind: 'basic', username: login.username, password: login.password.reveal()}
      : undefined
  const wanted = manifestReference(reference)
  try {
    const store = await dependencies.openSource(reference, {isInsecure, credential})
    const found = await store.statManifest(reference.repository, wanted, call(dependencies))
    if (found === undefined) throw new HoldfastError('MANIFEST_NOT_FOUND', 'manifest unknown')
    return {store, digest: found.digest}
  } catch (error) {
    if (hasCode(error, 'INTERRUPTED')) throw error
    const insecure = insecureRegistries.join(' ')
    const reason = `failed to fetch metadata from [${reference.repository}] with tag [${wanted}] and insecure registries [${insecure}] due to ${messageOf(error)}`
    throw new BuilderError(2, `Staging process failed: ${reason}`, error)
  }
}

interface CachedCopy {
  readonly store: SourceStore & BlobReader
  readonly reference: Reference
  readonly digest: string
  readonly dockerImage: string
}

async function cacheDockerImage(
  settings: BuilderSettings,
  cache: CacheSettings,
  {reference, store}: {readonly reference: Reference; readonly store: SourceStore & BlobReader},
  dependencies: BuilderDependencies,
): Promise<CachedCopy> {
  const {say} = dependencies
  const {dockerRef, login} = settings
  say('Caching docker image ...')
  if (login !== undefined) {
    say(`Logging to ${login.server} ...`)
    say('Logged in.')
  }
  say(`Pulling docker image ${dockerRef} ...`)
  const guid = randomUUID()
  const list = {description: 'the given addresses', emptyHints: [], find: async () => cache.instances}
  try {
    return await withFailover(list, dependencies, async (instance) => {
      const name = parseRegistryHost(cache.name === undefined ? formatInstance(instance) : `${cache.name.host}:${cache.name.port}`)
      const target = await dependencies.openCache(name, instance, cache.requireTls)
      const image = `${name}/${guid}`
      await copy(settings, {source: {reference, store}, target, guid, image, instance}, dependencies)
      const repository = parseRepositoryName(guid)
      const found = await target.store.statManifest(repository, DEFAULT_TAG, call(dependencies))
      if (found === undefined) throw new HoldfastError('INTEGRITY', `the cache does not have ${image} after it was pushed`)
      say('Docker image caching completed.')
      const cached: Reference = {registry: target.registry, repository, digest: found.digest}
      return {
        store: target.store,
        reference: cached,
        digest: found.digest,
        dockerImage: cache.pinDigest ? formatPinned(cached, found.digest) : image,
      }
    })
  } catch (error) {
    if (hasCode(error, 'INTERRUPTED')) throw error
    throw new BuilderError(2, `failed to cache image ${dockerRef} ${messageOf(error)}`, error)
  }
}

interface CopyRequest {
  readonly source: {readonly reference: Reference; readonly store: SourceStore}
  readonly target: OpenedCache
  readonly guid: string
  readonly image: string
  readonly instance: RegistryInstance
}

/** Layers go from one registry to the other while they come: what is called pulled here is known, and moves with the push. */
async function copy(settings: BuilderSettings, request: CopyRequest, dependencies: BuilderDependencies): Promise<void> {
  const {say, records, now, signal} = dependencies
  const {source, target, guid, image, instance} = request
  const lines = {
    pulled: () => {
      say('Docker image pulled.')
      say(`Docker image will be cached as ${image}`)
    },
    tagged: () => say('Docker image tagged.'),
    pushing: () => say(`Pushing docker image ${image}`),
    pushed: () => say('Docker image pushed.'),
  }
  if (settings.daemonPath !== undefined) {
    const {copyWithEngine} = await import('./engines.ts')
    await copyWithEngine({
      program: settings.daemonPath,
      source: settings.dockerRef,
      target: `${formatInstance(instance)}/${guid}:${DEFAULT_TAG}`,
      isSourceInsecure: settings.insecureRegistries.includes(source.reference.registry),
      isTargetInsecure: settings.cache?.requireTls !== true,
      login: settings.login,
      environment: dependencies.environment,
      onStep: (step) => lines[step](),
      signal,
    })
    return
  }
  lines.pulled()
  lines.tagged()
  lines.pushing()
  // Under a GUID of its own each time: no copy is used again, so that none is to be checked.
  const [outcome] = await cacheImages(
    {sources: [source.reference], registry: target.registry, prefix: undefined, repository: parseRepositoryName(guid)},
    {target: target.store, openSource: async () => source.store, records, now, signal},
  )
  if (outcome?.status !== 'cached') throw outcome?.error
  lines.pushed()
}

interface ResultRequest {
  readonly reference: Reference
  readonly digest: string
  readonly dockerImage: string
  readonly resultFile: string
  readonly isFirstGeneration: boolean
}

async function writeResult(
  store: SourceStore & BlobReader,
  {reference, digest, dockerImage, resultFile, isFirstGeneration}: ResultRequest,
  dependencies: BuilderDependencies,
): Promise<void> {
  if (!isDigest(digest)) throw new HoldfastError('INTEGRITY', `"${digest}" is no digest`)
  const image = {repository: reference.repository, digest, pinnedReference: dockerImage, tagReference: dockerImage}
  await writeStagingResult(image, store, {file: resultFile, format: isFirstGeneration ? '2015' : 'current', ...call(dependencies)})
}

/** As the builder names what it does not cache: Docker Hub's images without their host. */
function plainName(reference: Reference): string {
  const {registry, repository, tag, digest} = reference
  const host = registry === DOCKER_HUB ? '' : `${registry}/`
  return `${host}${repository}${digest === undefined ? `:${tag ?? DEFAULT_TAG}` : `@${digest}`}`
}

function isLoginFor(server: string, registry: RegistryHost): boolean {
  const {host} = new URL(server)
  return host === registry || (registry === DOCKER_HUB && HUB_LOGIN_HOSTS.includes(host))
}

function call({signal}: BuilderDependencies): {readonly signal?: AbortSignal} {
  return signal === undefined ? {} : {signal}
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
