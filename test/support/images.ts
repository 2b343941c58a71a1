/** Small images that every tool accepts, the same bytes on every run. */
import {createHash} from 'node:crypto'
import {gzipSync} from 'node:zlib'
import {tarOfOneFile} from './tar.ts'

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'

const MEDIA_TYPES = {
  oci: {
    manifest: OCI_MANIFEST,
    index: OCI_INDEX,
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
  docker: {
    manifest: DOCKER_MANIFEST,
    index: DOCKER_LIST,
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
} as const

export type ImageFormat = keyof typeof MEDIA_TYPES

interface SampleDescriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

interface SampleBlob {
  readonly digest: string
  readonly bytes: Uint8Array
}

/** A manifest with all it needs, ready to be pushed. */
export interface SampleImage {
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly digest: string
  /** Config and layers. */
  readonly blobs: readonly SampleBlob[]
  /** Manifests of an index, to be pushed before it. */
  readonly children: readonly SampleImage[]
}

export interface SampleLayer {
  readonly blob: SampleBlob
  /** Digest of the uncompressed archive. */
  readonly diffId: string
}

export interface ImageOptions {
  readonly format?: ImageFormat
  readonly architecture?: string
  readonly variant?: string
  readonly command?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly workingDirectory?: string
  readonly user?: string
  /** For example `8080/tcp`. */
  readonly ports?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
}

/** The digest of bytes. */
function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** A layer that adds one file; `sizeBytes` pads it with bytes that do not compress. */
export function createLayer(name: string, content: string, sizeBytes = 0): SampleLayer {
  const tar = tarOfOneFile(name, Buffer.concat([Buffer.from(content), noise(name + content, sizeBytes)]))
  // Level 0 where the content does not compress anyway: a large layer is then made as fast as it is hashed.
  const bytes = gzipSync(tar, {level: sizeBytes > 0 ? 0 : 6})
  return {blob: {digest: sha256(bytes), bytes}, diffId: sha256(tar)}
}

/** An image of the given layers for one platform. */
export function createImage(layers: readonly SampleLayer[], options: ImageOptions = {}): SampleImage {
  const types = MEDIA_TYPES[options.format ?? 'oci']
  const config = encode({
    created: '2026-01-02T03:04:05Z',
    os: 'linux',
    architecture: options.architecture ?? 'amd64',
    ...(options.variant === undefined ? {} : {variant: options.variant}),
    config: {
      Cmd: options.command ?? ['/hello'],
      ...(options.entrypoint ? {Entrypoint: options.entrypoint} : {}),
      ...(options.workingDirectory ? {WorkingDir: options.workingDirectory} : {}),
      ...(options.user ? {User: options.user} : {}),
      ...(options.ports ? {ExposedPorts: Object.fromEntries(options.ports.map((port) => [port, {}]))} : {}),
      ...(options.labels ? {Labels: options.labels} : {}),
    },
    rootfs: {type: 'layers', diff_ids: layers.map(({diffId}) => diffId)},
    history: layers.map((_, position) => ({created: '2026-01-02T03:04:05Z', created_by: `layer ${position}`})),
  })
  const configBlob = {digest: sha256(config), bytes: config}
  const blobs = [configBlob, ...layers.map(({blob}) => blob)]
  return manifest(types.manifest, blobs, [], {
    config: descriptorOf(types.config, configBlob),
    layers: layers.map(({blob}) => descriptorOf(types.layer, blob)),
  })
}

/** An index of images, one a platform: `linux/amd64`, `linux/arm/v7`, … */
export function createIndex(platforms: Readonly<Record<string, SampleImage>>, format: ImageFormat = 'oci'): SampleImage {
  const entries = Object.entries(platforms)
  const children = entries.map(([, image]) => image)
  const manifests = entries.map(([platform, image]) => {
    const [os, architecture, variant] = platform.split('/')
    return {...descriptorOf(image.mediaType, image), platform: {os, architecture, ...(variant === undefined ? {} : {variant})}}
  })
  return manifest(MEDIA_TYPES[format].index, [], children, {manifests})
}

/** An artifact that refers to `subject`, for example a bill of materials. */
export function createReferrer(subject: SampleImage, artifactType: string, content: string): SampleImage {
  const empty = {digest: sha256(encode({})), bytes: encode({})}
  const payload = {digest: sha256(Buffer.from(content)), bytes: Buffer.from(content)}
  return manifest(OCI_MANIFEST, [empty, payload], [], {
    artifactType,
    config: descriptorOf('application/vnd.oci.empty.v1+json', empty),
    layers: [descriptorOf(artifactType, payload)],
    subject: descriptorOf(subject.mediaType, subject),
  })
}

/** The index under which registries without a referrers API keep who refers to an image (distribution-spec 1.1 §Referrers Tag Schema). */
export function createReferrersIndex(referrers: readonly SampleImage[], artifactType: string): SampleImage {
  const manifests = referrers.map((referrer) => ({...descriptorOf(referrer.mediaType, referrer), artifactType}))
  return manifest(OCI_INDEX, [], referrers, {manifests})
}

/** The tag of that index. */
export function referrersTag(subject: SampleImage): string {
  return subject.digest.replace(':', '-')
}

/** The tag under which cosign keeps a signature. */
export function cosignTag(subject: SampleImage): string {
  return `${subject.digest.replace(':', '-')}.sig`
}

/** Layer digests of an image and of its children, in order. */
export function layerDigests(image: SampleImage): readonly string[] {
  return [...image.blobs.slice(1).map(({digest}) => digest), ...image.children.flatMap(layerDigests)]
}

/** Describes anything that has bytes and a digest. */
function descriptorOf(mediaType: string, content: SampleBlob): SampleDescriptor {
  return {mediaType, digest: content.digest, size: content.bytes.length}
}

function manifest(mediaType: string, blobs: readonly SampleBlob[], children: readonly SampleImage[], fields: object): SampleImage {
  const bytes = encode({schemaVersion: 2, mediaType, ...fields})
  return {mediaType, bytes, digest: sha256(bytes), blobs, children}
}

function encode(json: object): Uint8Array {
  return Buffer.from(JSON.stringify(json))
}

/** Bytes that look random and depend on the seed alone. */
function noise(seed: string, sizeBytes: number): Buffer {
  return createHash('shake256', {outputLength: Math.max(1, sizeBytes)})
    .update(seed)
    .digest()
    .subarray(0, sizeBytes)
}
