/** What the conformance tests push: sets of blobs and manifests, each set one shape that registries meet. */
import {createHash, randomBytes} from 'node:crypto'

export interface Content {
  readonly digest: string
  readonly bytes: Buffer<ArrayBuffer>
}

export interface ManifestContent extends Content {
  readonly mediaType: string
  readonly tag?: string
  readonly subject?: string
  readonly artifactType?: string
}

export interface DataSet {
  readonly name: string
  readonly blobs: readonly Content[]
  /** Children first. */
  readonly manifests: readonly ManifestContent[]
}

export type Algorithm = 'sha256' | 'sha512'
type Json = Readonly<Record<string, unknown>>

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const EMPTY = 'application/vnd.oci.empty.v1+json'
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
const LAYER_BYTES = 2048
/** Just below the 4 MiB that every registry has to take. */
const LARGE_ANNOTATION_BYTES = 4 * 1024 * 1024 - 4096

export function content(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Content {
  const own = Buffer.from(bytes)
  return {bytes: own, digest: `${algorithm}:${createHash(algorithm).update(own).digest('hex')}`}
}

export function randomContent(size = LAYER_BYTES, algorithm: Algorithm = 'sha256'): Content {
  return content(randomBytes(size), algorithm)
}

/** Every data set, fresh random bytes each time. */
export function createDataSets(): readonly DataSet[] {
  return [
    image('image', {}),
    image('image with an uncompressed layer', {layerType: 'application/vnd.oci.image.layer.v1.tar'}),
    image('image with a manifest of almost 4 MiB', {annotations: {filler: 'x'.repeat(LARGE_ANNOTATION_BYTES)}}),
    image('image with custom fields', {extra: {'org.example.custom': {deep: [1, 2, {three: null}]}}}),
    image('image whose config descriptor carries its data', {configData: true}),
    image('image without layers', {layerCount: 0}),
    image('image with a layer that is not distributable', {foreignLayer: true}),
    image('image by sha512', {algorithm: 'sha512'}),
    image('image by sha512 with a manifest by sha256', {algorithm: 'sha512', manifestAlgorithm: 'sha256'}),
    image('artifact', {artifactType: 'application/vnd.example.artifact', configType: EMPTY}),
    image('artifact without layers', {artifactType: 'application/vnd.example.artifact', configType: EMPTY, layerCount: 0}),
    indexOf('index', 2),
    indexOf('index that is empty', 0),
    indexOf('index that is an artifact', 1, {artifactType: 'application/vnd.example.collection'}),
    nestedIndex(),
    referrers(),
    indexWithSubject(),
    missingSubject(),
  ]
}

interface ImageOptions {
  readonly algorithm?: Algorithm
  readonly manifestAlgorithm?: Algorithm
  readonly layerType?: string
  readonly layerCount?: number
  readonly foreignLayer?: boolean
  readonly configType?: string
  readonly configData?: boolean
  readonly annotations?: Json
  readonly artifactType?: string
  readonly subject?: ManifestContent | Json
  readonly extra?: Json
  readonly tag?: string | false
}

function image(name: string, options: ImageOptions): DataSet {
  const {algorithm = 'sha256', configType = CONFIG, layerCount = 2, layerType = LAYER, tag = 'latest'} = options
  const config =
    configType === EMPTY
      ? content(Buffer.from('{}'), algorithm)
      : content(
          Buffer.from(
            JSON.stringify({
              os: 'linux',
              architecture: 'amd64',
              author: randomBytes(8).toString('hex'),
              rootfs: {type: 'layers', diff_ids: []},
            }),
          ),
          algorithm,
        )
  const layers = Array.from({length: layerCount}, () => randomContent(LAYER_BYTES, algorithm))
  const foreign = randomContent(LAYER_BYTES, algorithm)
  const subject =
    options.subject === undefined ? undefined : 'bytes' in options.subject ? describe(options.subject as ManifestContent) : options.subject
  const json = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    ...(options.artifactType === undefined ? {} : {artifactType: options.artifactType}),
    config: {...blobDescriptor(config, configType), ...(options.configData ? {data: config.bytes.toString('base64')} : {})},
    layers: [
      ...layers.map((layer) => blobDescriptor(layer, layerType)),
      ...(options.foreignLayer
        ? [
            {
              ...blobDescriptor(foreign, 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
              urls: ['https://layers.example.com/one'],
            },
          ]
        : []),
    ],
    ...(subject === undefined ? {} : {subject}),
    annotations: {'org.example.test': name, ...options.annotations},
    ...options.extra,
  }
  const made = content(Buffer.from(JSON.stringify(json)), options.manifestAlgorithm ?? algorithm)
  return {
    name,
    blobs: [config, ...layers],
    manifests: [
      {
        ...made,
        mediaType: MANIFEST,
        // A tag gives a manifest the registry's own algorithm, so that one by sha512 is pushed by digest only.
        ...(tag === false || made.digest.startsWith('sha512:') ? {} : {tag}),
        ...(typeof subject?.digest === 'string' ? {subject: subject.digest} : {}),
        ...(options.artifactType === undefined ? {} : {artifactType: options.artifactType}),
      },
    ],
  }
}

function indexOf(name: string, count: number, {artifactType, subject}: {artifactType?: string; subject?: ManifestContent} = {}): DataSet {
  const images = Array.from({length: count}, (_, position) => image(`${name}, image ${position}`, {tag: false}))
  return combine(name, images, [
    index(
      name,
      images.flatMap(({manifests}) => manifests),
      {tag: 'latest', ...(artifactType === undefined ? {} : {artifactType}), ...(subject === undefined ? {} : {subject})},
    ),
  ])
}

function nestedIndex(): DataSet {
  const name = 'index of indexes'
  const inner = [indexOf(`${name}, first`, 1), indexOf(`${name}, second`, 1)].map((set) => ({
    ...set,
    manifests: set.manifests.map(({tag: _, ...manifest}) => manifest),
  }))
  return combine(name, inner, [
    index(
      name,
      inner.flatMap(({manifests}) => manifests.slice(-1)),
      {tag: 'latest'},
    ),
  ])
}

function referrers(): DataSet {
  const name = 'artifacts with a subject'
  const subject = image(`${name}, subject`, {})
  const target = subject.manifests[0]
  const refer = (artifactType: string): DataSet =>
    image(`${name}, ${artifactType}`, {artifactType, configType: EMPTY, ...(target === undefined ? {} : {subject: target}), tag: false})
  return combine(name, [subject, refer('application/vnd.example.sbom'), refer('application/vnd.example.signature')], [])
}

function indexWithSubject(): DataSet {
  const name = 'index with a subject'
  const subject = image(`${name}, subject`, {tag: 'subject'})
  const target = subject.manifests[0]
  return combine(
    name,
    [
      subject,
      indexOf(`${name}, referrer`, 1, {
        artifactType: 'application/vnd.example.collection',
        ...(target === undefined ? {} : {subject: target}),
      }),
    ],
    [],
  )
}

function missingSubject(): DataSet {
  return image('artifact whose subject is missing', {
    artifactType: 'application/vnd.example.sbom',
    configType: EMPTY,
    subject: {mediaType: MANIFEST, digest: randomContent().digest, size: 123},
  })
}

function index(
  name: string,
  children: readonly ManifestContent[],
  options: {tag: string; artifactType?: string; subject?: ManifestContent},
): ManifestContent {
  const {tag, artifactType, subject} = options
  const json = {
    schemaVersion: 2,
    mediaType: INDEX,
    ...(artifactType === undefined ? {} : {artifactType}),
    manifests: children.map(describe),
    ...(subject === undefined ? {} : {subject: describe(subject)}),
    annotations: {'org.example.test': name, nonce: randomBytes(8).toString('hex')},
  }
  return {
    ...content(Buffer.from(JSON.stringify(json))),
    mediaType: INDEX,
    tag,
    ...(artifactType === undefined ? {} : {artifactType}),
    ...(subject === undefined ? {} : {subject: subject.digest}),
  }
}

function combine(name: string, sets: readonly DataSet[], more: readonly ManifestContent[]): DataSet {
  return {name, blobs: sets.flatMap(({blobs}) => blobs), manifests: [...sets.flatMap(({manifests}) => manifests), ...more]}
}

function blobDescriptor({digest, bytes}: Content, mediaType: string): Json {
  return {mediaType, digest, size: bytes.length}
}

function describe({digest, bytes, mediaType}: ManifestContent): Json {
  return {mediaType, digest, size: bytes.length}
}
