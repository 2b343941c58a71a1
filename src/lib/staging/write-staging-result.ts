/** From a cached image to the staging result on disk: reads the image's config where it was cached, and writes the file last and whole. */
import {readBlobBytes} from '../content/read-bytes.ts'
import type {BlobReader, CallOptions, ManifestReader} from '../content/store.ts'
import {writeFileAtomically} from '../core/atomic-file.ts'
import {HoldfastError} from '../core/errors.ts'
import type {Digest} from '../oci/digest.ts'
import {type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig} from '../oci/image-config.ts'
import {type ImageManifest, parseManifest} from '../oci/manifest.ts'
import {matchesPlatform, type Platform} from '../oci/platform.ts'
import type {RepositoryName} from '../oci/reference.ts'
import {formatStagingResult, type StagingResultFormat} from './staging-result.ts'

/** What cells run; chosen from an index where it is there. */
const CELL_PLATFORM: Platform = {os: 'linux', architecture: 'amd64'}

export interface StagedImage {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly pinnedReference: string
  readonly tagReference: string
}

/**
 * Writes the staging result of a cached image.
 * @throws {HoldfastError} MANIFEST_NOT_FOUND, INVALID_MANIFEST, INTEGRITY, STORAGE; the file is then as it was before.
 */
export async function writeStagingResult(
  image: StagedImage,
  store: BlobReader & ManifestReader,
  options: CallOptions & {readonly file: string; readonly format: StagingResultFormat},
): Promise<void> {
  const config = await readImageConfig({...image, name: image.pinnedReference}, store, options)
  const dockerImage = options.format === '2015' ? image.tagReference : image.pinnedReference
  await writeFileAtomically(options.file, formatStagingResult(options.format, dockerImage, config))
}

interface DescribedImage {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** For messages. */
  readonly name: string
}

/** The configuration of an image; of an index, that of the image that cells run. @throws {HoldfastError} as `writeStagingResult`. */
export async function readImageConfig(
  image: DescribedImage,
  store: BlobReader & ManifestReader,
  {signal}: CallOptions,
): Promise<ImageConfig> {
  const call = signal === undefined ? {} : {signal}
  const manifest = await readImageManifest(image, image.digest, store, call)
  return parseImageConfig(await readBlobBytes(store, image.repository, manifest.config, MAX_CONFIG_BYTES, call))
}

async function readImageManifest(image: DescribedImage, digest: Digest, store: ManifestReader, call: CallOptions): Promise<ImageManifest> {
  const raw = await store.readManifest(image.repository, digest, call)
  if (raw === undefined) throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot stage "${image.name}": ${digest} is not there`)
  const manifest = parseManifest(raw)
  if (manifest.kind === 'image') return manifest
  const runnable = manifest.manifests.filter((child) => child.platform !== undefined && child.platform.os !== 'unknown')
  const chosen = runnable.find((child) => child.platform !== undefined && matchesPlatform(child.platform, CELL_PLATFORM)) ?? runnable[0]
  if (chosen === undefined) throw new HoldfastError('INVALID_MANIFEST', `cannot stage "${image.name}": its index names no platform`)
  return readImageManifest(image, chosen.digest, store, call)
}
