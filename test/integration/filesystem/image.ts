/** A small image that every tool accepts: a gzipped tar of one file as its layer, and a config that names it. */
import {randomBytes} from 'node:crypto'
import {gzipSync} from 'node:zlib'
import type {TargetStore} from '../../../src/lib/content/store.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {createRawManifest, type RawManifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import type {RepositoryName, Tag} from '../../../src/lib/oci/reference.ts'

const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'
const TAR_BLOCK_BYTES = 512

/** Writes a new image with `contentBytes` random bytes in it. */
export async function writeRunnableImage(
  store: TargetStore,
  repository: RepositoryName,
  tag: Tag,
  contentBytes = 20_000,
): Promise<RawManifest> {
  const tar = tarOf('content', randomBytes(contentBytes))
  const layer = gzipSync(tar, {level: 0})
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: {type: 'layers', diff_ids: [digestOf(tar)]},
    }),
  )
  for (const bytes of [layer, config]) await store.writeBlob(repository, {digest: digestOf(bytes), size: bytes.length}, sliced(bytes))
  const manifest = createRawManifest(
    MEDIA_TYPE.ociManifest,
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: {mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(config), size: config.length},
        layers: [{mediaType: LAYER_TYPE, digest: digestOf(layer), size: layer.length}],
      }),
    ),
  )
  await store.writeManifest(repository, tag, manifest)
  return manifest
}

function sliced(bytes: Buffer): Parameters<TargetStore['writeBlob']>[2] {
  return async (sink, start) => {
    for (let at = start; at < bytes.length; at += 256 * 1024) {
      await new Promise<void>((resolve) => void sink.write(bytes.subarray(at, at + 256 * 1024), resolve))
    }
  }
}

function tarOf(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(TAR_BLOCK_BYTES)
  header.write(name, 0)
  header.write('0000644\x000000000\x000000000\0', 100)
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0        0', 136)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((TAR_BLOCK_BYTES - (content.length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES)
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * TAR_BLOCK_BYTES)])
}
