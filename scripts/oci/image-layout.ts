/** Writes images of several platforms into an OCI image layout. */
import {createOciLayoutStore} from '../../src/lib/content/oci-layout/store.ts'
import {type Digest, digestOf} from '../../src/lib/oci/digest.ts'
import {createRawManifest, type RawManifest} from '../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../src/lib/oci/media-types.ts'
import {parseRepositoryName, parseTag} from '../../src/lib/oci/reference.ts'

export const GZIP_LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'
/** A layout has no repositories; the store's interface asks for one. */
const REPOSITORY = parseRepositoryName('image')

interface StoredBlob {
  readonly mediaType: string
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
}

export interface PlatformImage extends StoredBlob {
  readonly platform: {readonly os: 'linux'; readonly architecture: string}
}

export interface ImageLayout extends AsyncDisposable {
  writeBlob(mediaType: string, bytes: Buffer): Promise<StoredBlob>
  /** Writes the manifest of a platform, with its config; the layers are there already. */
  writePlatform(
    config: {readonly architecture: string; readonly [field: string]: unknown},
    layers: readonly StoredBlob[],
  ): Promise<PlatformImage>
  /** Writes the index of the platforms under a tag; returns its digest. */
  writeIndex(tag: string, platforms: readonly PlatformImage[], annotations?: Readonly<Record<string, string>>): Promise<Digest>
}

/** Opens the layout in `directory`, which the first write makes. */
export function openImageLayout(directory: string): ImageLayout {
  const store = createOciLayoutStore({directory})
  const writeBlob = async (mediaType: string, bytes: Buffer): Promise<StoredBlob> => {
    const blob = {mediaType, digest: digestOf(bytes), size: bytes.length}
    await store.writeBlob(REPOSITORY, blob, async (sink, start) => {
      await new Promise<void>((resolve) => sink.write(bytes.subarray(start), resolve))
    })
    return blob
  }
  return {
    writeBlob,
    async writePlatform(config, layers) {
      const {architecture} = config
      const manifest = encodeManifest(MEDIA_TYPE.ociManifest, {
        config: await writeBlob(MEDIA_TYPE.ociConfig, Buffer.from(JSON.stringify({os: 'linux', ...config}))),
        layers,
      })
      await store.writeManifest(REPOSITORY, manifest.digest, manifest)
      const {mediaType, digest, bytes} = manifest
      return {mediaType, digest, size: bytes.length, platform: {os: 'linux', architecture}}
    },
    async writeIndex(tag, platforms, annotations) {
      const index = encodeManifest(MEDIA_TYPE.ociIndex, {manifests: platforms, annotations})
      await store.writeManifest(REPOSITORY, parseTag(tag), index)
      return index.digest
    },
    [Symbol.asyncDispose]: () => store.close(),
  }
}

function encodeManifest(mediaType: string, json: object): RawManifest {
  return createRawManifest(mediaType, Buffer.from(JSON.stringify({schemaVersion: 2, mediaType, ...json})))
}
