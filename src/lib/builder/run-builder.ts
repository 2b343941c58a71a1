/**
 * What Diego's Docker builder does, without a docker daemon: looks at the image, caches it where told to, and writes the staging result, whole or not at all.
 * Its progress lines are a contract: acceptance tests look for `Docker image will be cached as …` (cloudfoundry/docker_app_lifecycle, requirements B1–B7).
 */
import {randomUUID} from 'node:crypto'
import {cacheImages} from '../caching/cache-images.ts'
import type {RegistryCredential} from '../content/remote/endpoint.ts'
import type {BlobReader, SourceStore, TargetStore} from '../content/store.ts'
import {writeFileAtomically} from '../core/atomic-file.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import type {Digest} from '../oci/digest.ts'
import type {ImageConfig} from '../oci/image-config.ts'
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
import {formatStagingResult} from '../staging/staging-result.ts'
import {readImageConfig} from '../staging/write-staging-result.ts'
import {BuilderError} from './builder-error.ts'
import type {BuilderLogin, BuilderSettings, CacheSettings} from './builder-flags.ts'
import {type DockerNames, dockerNames} from './docker-names.ts'

interface BasicCredential {
  readonly username: string
  readonly password: Secret
}

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
  /** For registries that take no keys of their account but a password made of them; undefined for every other registry. */
  readonly exchangeKeys?: ((registry: RegistryHost, login: BuilderLogin) => Promise<BasicCredential> | undefined) | undefined
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
  const result = await build(settings, dependencies).catch((error: unknown) => {
    throw asFailure(error)
  })
  dependencies.say('Staging process finished')
  return result
}

/** With a line of its own before it, where the builder prints one. */
function asFailure(error: unknown, before?: string): unknown {
  if (error instanceof BuilderError || hasCode(error, 'INTERRUPTED')) return error
  const failure = `Staging process failed: ${messageOf(error)}`
  return before === undefined ? new BuilderError(2, failure, {cause: error}) : new BuilderError(2, before, {cause: error, more: [failure]})
}

/** What the builder says of a step that failed. */
function stepFailure(error: unknown, reason: string): unknown {
  if (hasCode(error, 'INTERRUPTED')) return error
  return new BuilderError(2, `Staging process failed: ${reason} due to ${messageOf(error)}`, {cause: error})
}

async function build(settings: BuilderSettings, dependencies: BuilderDependencies): Promise<BuilderResult> {
  const names = dockerNames(settings.dockerRef, settings.isFirstGeneration)
  const {reference, store, digest, config} = await openSource(settings, names, dependencies)
  const {resultFile, cache} = settings
  if (cache === undefined) {
    const dockerImage = imageName(reference, names)
    await writeResult(settings, {config, dockerImage})
    return {resultFile, dockerImage, digest}
  }
  const cached = await cacheDockerImage(settings, cache, {reference, store, names}, dependencies)
  await writeResult(settings, cached)
  return {resultFile, dockerImage: cached.dockerImage, digest: cached.digest}
}

interface Looked {
  readonly reference: Reference
  readonly store: SourceStore & BlobReader
  readonly digest: Digest
  readonly config: ImageConfig
}

/** The image as it is at its origin: without it there is nothing to stage. */
async function openSource(settings: BuilderSettings, names: DockerNames, dependencies: BuilderDependencies): Promise<Looked> {
  const {insecureRegistries, login} = settings
  try {
    const reference = parseReference(settings.dockerRef)
    const credential = login === undefined ? undefined : await credentialFor(reference.registry, login, dependencies)
    const isInsecure = insecureRegistries.includes(reference.registry)
    const store = await dependencies.openSource(reference, {isInsecure, credential})
    const found = await store.statManifest(reference.repository, manifestReference(reference), call(dependencies))
    if (found === undefined) throw new HoldfastError('MANIFEST_NOT_FOUND', 'manifest unknown')
    const {digest} = found
    const config = await readImageConfig({repository: reference.repository, digest, name: names.image}, store, call(dependencies))
    return {reference, store, digest, config}
  } catch (error) {
    if (error instanceof BuilderError) throw error
    const {repository, tag} = names
    throw stepFailure(
      error,
      `failed to fetch metadata from [${repository}] with tag [${tag}] and insecure registries [${insecureRegistries.join(' ')}]`,
    )
  }
}

async function credentialFor(
  registry: RegistryHost,
  login: BuilderLogin,
  {exchangeKeys}: BuilderDependencies,
): Promise<RegistryCredential> {
  try {
    const {username, password} = (await exchangeKeys?.(registry, login)) ?? login
    return {kind: 'basic', username, password: password.reveal()}
  } catch (error) {
    throw stepFailure(error, `failed to get ECR credentials from [${registry}]`)
  }
}

interface CachedCopy {
  readonly config: ImageConfig
  readonly digest: Digest
  readonly dockerImage: string
}

async function cacheDockerImage(
  settings: BuilderSettings,
  cache: CacheSettings,
  {reference, store, names}: {readonly reference: Reference; readonly store: SourceStore & BlobReader; readonly names: DockerNames},
  dependencies: BuilderDependencies,
): Promise<CachedCopy> {
  const {say} = dependencies
  const {login} = settings
  say('Caching docker image ...')
  if (login !== undefined) {
    say(`Logging to ${login.server} ...`)
    say('Logged in.')
  }
  say(`Pulling docker image ${names.image} ...`)
  const guid = randomUUID()
  const list = {description: 'the given addresses', emptyHints: [], find: async () => cache.instances}
  try {
    return await withFailover(list, dependencies, async (instance) => {
      const name = parseRegistryHost(cache.name === undefined ? formatInstance(instance) : `${cache.name.host}:${cache.name.port}`)
      const target = await dependencies.openCache(name, instance, cache.requireTls)
      const image = `${name}/${guid}`
      await copy(settings, {source: {reference, store, name: names.image}, target, guid, image, instance}, dependencies)
      const repository = parseRepositoryName(guid)
      const found = await target.store.statManifest(repository, DEFAULT_TAG, call(dependencies))
      if (found === undefined) throw new HoldfastError('INTEGRITY', `the cache does not have ${image} after it was pushed`)
      say('Docker image caching completed.')
      const cached: Reference = {registry: target.registry, repository, digest: found.digest}
      const described = {repository, digest: found.digest, name: image}
      return {
        config: await readImageConfig(described, target.store, call(dependencies)),
        digest: found.digest,
        dockerImage: cache.pinDigest ? formatPinned(cached, found.digest) : image,
      }
    })
  } catch (error) {
    throw asFailure(error, `failed to cache image ${names.image} ${messageOf(error)}`)
  }
}

interface CopyRequest {
  readonly source: {readonly reference: Reference; readonly store: SourceStore; readonly name: string}
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
      say(`Tagging docker image ${source.name} as ${image} ...`)
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
      sourceRegistry: source.reference.registry,
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

async function writeResult(
  {resultFile, isFirstGeneration}: BuilderSettings,
  {config, dockerImage}: {readonly config: ImageConfig; readonly dockerImage: string},
): Promise<void> {
  let text: string
  try {
    text = formatStagingResult(isFirstGeneration ? '2015' : 'current', dockerImage, config)
  } catch (error) {
    const ports = config.exposedPorts.map((port) => `${port}:{}`).sort()
    throw asFailure(error, `failed to parse image ports map[${ports.join(' ')}] ${messageOf(error)}`)
  }
  try {
    await writeFileAtomically(resultFile, text)
  } catch (error) {
    throw stepFailure(error, `failed to save metadata to [${resultFile}]`)
  }
}

/** As the builder names what it does not cache; a tag beside a digest, which no platform takes, is omitted. */
function imageName({registry, repository, tag, digest}: Reference, {image}: DockerNames): string {
  if (tag === undefined || digest === undefined) return image
  return `${registry === DOCKER_HUB ? '' : `${registry}/`}${repository}@${digest}`
}

function call({signal}: BuilderDependencies): {readonly signal?: AbortSignal} {
  return signal === undefined ? {} : {signal}
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
