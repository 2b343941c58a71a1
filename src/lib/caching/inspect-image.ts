/** Looking at an image without pulling its layers: its manifest, and for each platform the config and the layers. */
import {readBlobBytes} from '../content/read-bytes.ts'
import type {CallOptions, SourceStore} from '../content/store.ts'
import {HoldfastError} from '../core/errors.ts'
import {Lane} from '../core/lane.ts'
import type {Descriptor} from '../oci/descriptor.ts'
import {type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig} from '../oci/image-config.ts'
import {type ImageManifest, type RawManifest, requiredBlobs} from '../oci/manifest.ts'
import {MEDIA_TYPE} from '../oci/media-types.ts'
import {formatPlatform, matchesPlatform, type Platform} from '../oci/platform.ts'
import {formatReference, manifestReference, type Reference} from '../oci/reference.ts'
import type {MissingManifest} from '../transfer/copy-job.ts'
import {GraphBudget, readChildren, readSourceManifest} from '../transfer/graph.ts'
import {SMALL_REQUEST_CONCURRENCY} from '../transfer/limits.ts'
import {describeMissing, platformNotFound} from '../transfer/platforms.ts'

export interface InspectedLayer {
  readonly mediaType: string
  readonly digest: string
  readonly sizeBytes: number
  /** Where a foreign layer is fetched from. */
  readonly urls?: readonly string[]
}

/** One image manifest; artifacts (signatures, attestations) have neither platform nor config. */
export interface InspectedManifest {
  readonly digest: string
  readonly mediaType: string
  readonly artifactType?: string
  readonly platform?: string
  /** The build of Windows that the image is for. */
  readonly osVersion?: string
  readonly created?: string
  readonly user?: string
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly workingDirectory?: string
  readonly exposedPorts?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  /** Config and layers together. */
  readonly sizeBytes: number
  readonly layers: readonly InspectedLayer[]
}

export interface InspectedImage {
  readonly reference: string
  readonly digest: string
  readonly mediaType: string
  readonly platforms: readonly string[]
  /** Every blob once, over all manifests. */
  readonly sizeBytes: number
  readonly annotations: Readonly<Record<string, string>>
  readonly manifests: readonly InspectedManifest[]
  /** Layers and configs that the index names itself, as BuildKit's caches do; absent when there are none. */
  readonly blobs?: readonly InspectedLayer[]
  /** Manifests that the index names and the registry does not have; absent when there are none. */
  readonly missing?: readonly MissingManifest[]
}

/**
 * Reads an image's manifests and configs.
 * @throws {TransferError} with side `source`; PLATFORM_NOT_FOUND when `platform` is given and not there.
 */
export async function inspectImage(
  reference: Reference,
  store: SourceStore,
  options: CallOptions & {readonly platform?: Platform} = {},
): Promise<InspectedImage> {
  const lane = new Lane(() => SMALL_REQUEST_CONCURRENCY)
  const source = {store, repository: reference.repository}
  const root = await readSourceManifest(source, manifestReference(reference), reference, lane, options.signal)
  const budget = new GraphBudget()
  budget.enter(root.raw.digest)
  const missing: Descriptor[] = []
  const walk = {lane, budget, signal: options.signal, onMissing: (child: Descriptor) => missing.push(child) > 0}
  const below = root.kind === 'index' ? await readChildren(root, source, reference, walk) : []
  const images = [root, ...below].filter((manifest) => manifest.kind === 'image')
  const all = await Promise.all(images.map((image) => lane.run(() => inspectManifest(image, reference, store, options))))
  const {platform} = options
  const chosen =
    platform === undefined ? all : all.filter((one) => one.config !== undefined && matchesPlatform(one.config.platform, platform))
  if (platform !== undefined && chosen.length === 0) {
    const offered = all.flatMap((one) => (one.config === undefined ? [] : [one.config.platform]))
    throw platformNotFound(formatReference(reference), platform, offered)
  }
  const named = [root, ...below].filter((manifest) => manifest.kind === 'index').flatMap(requiredBlobs)
  const blobs = new Map([...named, ...images.flatMap((image) => [image.config, ...image.layers])].map((blob) => [blob.digest, blob.size]))
  return {
    reference: formatReference(reference),
    digest: root.raw.digest,
    mediaType: root.raw.mediaType,
    platforms: chosen.flatMap(({shown}) => (shown.platform === undefined ? [] : [shown.platform])),
    sizeBytes:
      platform === undefined
        ? [...blobs.values()].reduce((sum, size) => sum + size, 0)
        : chosen.reduce((sum, one) => sum + one.shown.sizeBytes, 0),
    annotations: root.annotations,
    manifests: chosen.map(({shown}) => shown),
    ...(named.length === 0 ? {} : {blobs: named.map(describeLayer)}),
    ...(missing.length === 0 ? {} : {missing: missing.map(describeMissing)}),
  }
}

/**
 * The manifest's exact bytes.
 * @throws {HoldfastError} MANIFEST_NOT_FOUND
 */
export async function readRawManifest(reference: Reference, store: SourceStore, options: CallOptions = {}): Promise<RawManifest> {
  const raw = await store.readManifest(reference.repository, manifestReference(reference), options)
  if (raw === undefined)
    throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot find "${formatReference(reference)}": ${reference.registry} has no such manifest`)
  return raw
}

async function inspectManifest(image: ImageManifest, reference: Reference, store: SourceStore, options: CallOptions) {
  const config = await readConfig(image, reference, store, options)
  const shown: InspectedManifest = {
    digest: image.raw.digest,
    mediaType: image.raw.mediaType,
    ...(image.artifactType === undefined ? {} : {artifactType: image.artifactType}),
    ...(config === undefined ? {} : describeConfig(config)),
    sizeBytes: image.config.size + image.layers.reduce((sum, layer) => sum + layer.size, 0),
    layers: image.layers.map(describeLayer),
  }
  return {shown, config}
}

function describeLayer({mediaType, digest, size, urls = []}: Descriptor): InspectedLayer {
  return {mediaType, digest, sizeBytes: size, ...(urls.length === 0 ? {} : {urls})}
}

async function readConfig(
  image: ImageManifest,
  reference: Reference,
  store: SourceStore,
  options: CallOptions,
): Promise<ImageConfig | undefined> {
  if (image.config.mediaType !== MEDIA_TYPE.ociConfig && image.config.mediaType !== MEDIA_TYPE.dockerConfig) return undefined
  const config = parseImageConfig(
    await readBlobBytes(store, reference.repository, image.config, MAX_CONFIG_BYTES, options.signal ? {signal: options.signal} : {}),
  )
  return config.platform.os === 'unknown' ? undefined : config
}

function describeConfig(config: ImageConfig) {
  return {
    platform: formatPlatform(config.platform),
    ...(config.platform.osVersion === undefined ? {} : {osVersion: config.platform.osVersion}),
    ...(config.created === undefined ? {} : {created: config.created}),
    user: config.user,
    entrypoint: config.entrypoint,
    command: config.command,
    workingDirectory: config.workingDirectory,
    exposedPorts: config.exposedPorts,
    labels: config.labels,
  }
}
