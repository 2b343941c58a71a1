/** Writes images where `docker-registry` serves them from: the on-disk layout of CNCF Distribution 2.8. */
import {createHash} from 'node:crypto'
import {mkdir, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {type StoredBlob, type StoredLayer, writeLayer} from './layer.ts'
import type {ImageShape, LayerShape} from './shapes.ts'

export const TAG = '1'
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json'
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** An image that a registry over the same root serves as `<repository>:1`. */
export interface StoredImage {
  readonly repository: string
  /** Digest of its manifest or index. */
  readonly digest: string
  /** Layers and configs. */
  readonly blobs: readonly StoredBlob[]
}

/** Where a registry over `root` keeps the bytes of a blob. */
export function blobFile(root: string, digest: string): string {
  const hex = digest.slice('sha256:'.length)
  return join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
}

/** Makes a writer of images into one root; a layer that several images share is made once. */
export function createCorpusWriter(root: string): (image: ImageShape) => Promise<StoredImage> {
  const madeLayers = new Map<string, StoredLayer>()

  const storeLayer = async ({seed, sizeBytes}: LayerShape): Promise<StoredLayer> => {
    const key = `${seed}:${sizeBytes}`
    const made =
      madeLayers.get(key) ?? (await writeLayer(seed, sizeBytes, join(root, 'layer.tmp'), (digest) => prepareBlobFile(root, digest)))
    madeLayers.set(key, made)
    return made
  }

  const storePlatform = async (repository: string, architecture: string, shapes: readonly LayerShape[]) => {
    const layers: StoredLayer[] = []
    for (const shape of shapes) layers.push(await storeLayer(shape))
    const config = await storeJson(root, {architecture, os: 'linux', rootfs: {type: 'layers', diff_ids: layers.map(({diffId}) => diffId)}})
    const manifest = await storeJson(root, {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: describe(CONFIG_TYPE, config),
      layers: layers.map((layer) => describe(LAYER_TYPE, layer)),
    })
    for (const {digest} of [config, ...layers]) await writeLink(root, repository, `_layers/${linkPath(digest)}`, digest)
    await writeLink(root, repository, `_manifests/revisions/${linkPath(manifest.digest)}`, manifest.digest)
    return {manifest, blobs: [config, ...layers]}
  }

  return async ({repository, platforms}) => {
    const stored = []
    for (const {architecture, layers} of platforms) stored.push({architecture, ...(await storePlatform(repository, architecture, layers))})
    const [only, ...others] = stored
    const top =
      only !== undefined && others.length === 0
        ? only.manifest
        : await storeJson(root, {
            schemaVersion: 2,
            mediaType: INDEX_TYPE,
            manifests: stored.map(({architecture, manifest}) => ({
              ...describe(MANIFEST_TYPE, manifest),
              platform: {architecture, os: 'linux'},
            })),
          })
    await writeLink(root, repository, `_manifests/revisions/${linkPath(top.digest)}`, top.digest)
    await writeLink(root, repository, `_manifests/tags/${TAG}/index/${linkPath(top.digest)}`, top.digest)
    await writeLink(root, repository, `_manifests/tags/${TAG}/current`, top.digest)
    return {repository, digest: top.digest, blobs: stored.flatMap(({blobs}) => blobs)}
  }
}

function describe(mediaType: string, {digest, sizeBytes}: StoredBlob) {
  return {mediaType, digest, size: sizeBytes}
}

async function storeJson(root: string, value: unknown): Promise<StoredBlob> {
  const bytes = Buffer.from(JSON.stringify(value))
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  await writeFile(await prepareBlobFile(root, digest), bytes)
  return {digest, sizeBytes: bytes.length}
}

async function prepareBlobFile(root: string, digest: string): Promise<string> {
  const file = blobFile(root, digest)
  await mkdir(dirname(file), {recursive: true})
  return file
}

function linkPath(digest: string): string {
  return digest.replace(':', '/')
}

async function writeLink(root: string, repository: string, path: string, digest: string): Promise<void> {
  const folder = join(root, 'docker/registry/v2/repositories', repository, path)
  await mkdir(folder, {recursive: true})
  await writeFile(join(folder, 'link'), digest)
}
