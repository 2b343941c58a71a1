/** Small images made straight into a memory store. */

import type {Descriptor} from '../../src/lib/oci/descriptor.ts'
import {digestOf} from '../../src/lib/oci/digest.ts'
import {createRawManifest, describeManifest, type RawManifest} from '../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../src/lib/oci/media-types.ts'
import {parseReference, type Tag} from '../../src/lib/oci/reference.ts'
import type {MemoryStore} from './memory-store.ts'

const encode = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))

/** Puts a blob into a repository and describes it. */
export function addBlob(
  store: MemoryStore,
  image: string,
  content: string | Uint8Array,
  mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip',
): Descriptor {
  const bytes = typeof content === 'string' ? encode(content) : content
  const digest = digestOf(bytes)
  store.repository(parseReference(image).repository).blobs.set(digest, bytes)
  return {mediaType, digest, size: bytes.length}
}

/** Puts any manifest into the repository of `image`, under its tag unless told otherwise. */
export function addManifest(
  store: MemoryStore,
  image: string,
  mediaType: string,
  json: object,
  tag: string | undefined = parseReference(image).tag,
): RawManifest {
  const raw = createRawManifest(mediaType, encode({schemaVersion: 2, mediaType, ...json}))
  const repository = store.repository(parseReference(image).repository)
  repository.manifests.set(raw.digest, raw)
  if (tag !== undefined) repository.tags.set(tag as Tag, raw.digest)
  return raw
}

/** An image of the given layers; untagged when `tagged` is false. */
export function addImage(
  store: MemoryStore,
  image: string,
  layers: readonly (string | Uint8Array)[],
  options: {readonly architecture?: string; readonly tagged?: boolean; readonly subject?: Descriptor; readonly artifactType?: string} = {},
): RawManifest {
  const config = addBlob(
    store,
    image,
    JSON.stringify({os: 'linux', architecture: options.architecture ?? 'amd64', config: {Cmd: ['/app']}}),
    MEDIA_TYPE.ociConfig,
  )
  const json = {
    config,
    layers: layers.map((layer) => addBlob(store, image, layer)),
    ...(options.subject ? {subject: options.subject} : {}),
    ...(options.artifactType ? {artifactType: options.artifactType} : {}),
  }
  const raw = createRawManifest(MEDIA_TYPE.ociManifest, encode({schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, ...json}))
  const reference = parseReference(image)
  store.repository(reference.repository).manifests.set(raw.digest, raw)
  if (options.tagged !== false && reference.tag !== undefined) store.repository(reference.repository).tags.set(reference.tag, raw.digest)
  return raw
}

/** An index of one image for each architecture. */
export function addIndex(
  store: MemoryStore,
  image: string,
  architectures: readonly string[],
): {readonly index: RawManifest; readonly children: readonly RawManifest[]} {
  const children = architectures.map((architecture) =>
    addImage(store, image, [`shared layer`, `layer for ${architecture}`], {architecture, tagged: false}),
  )
  const manifests = children.map((child, position) => ({
    ...describeManifest(child),
    platform: {os: 'linux', architecture: architectures[position]},
  }))
  return {index: addManifest(store, image, MEDIA_TYPE.ociIndex, {manifests}), children}
}

/** Makes a manifest refer to another. */
export function referTo(raw: RawManifest): Descriptor {
  return describeManifest(raw)
}

/** Lines of a log that start so. */
export function linesOf(log: readonly string[], start: string): readonly string[] {
  return log.filter((line) => line.startsWith(start))
}
