/** A small image for two platforms, made here, so that the quickstart needs no network. */
import {gzipSync} from 'node:zlib'
import {createOciLayoutStore, type OciLayoutStore} from '../../src/lib/content/oci-layout/store.ts'
import {type Digest, digestOf} from '../../src/lib/oci/digest.ts'
import {createRawManifest, type RawManifest} from '../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../src/lib/oci/media-types.ts'
import {parseRepositoryName, parseTag} from '../../src/lib/oci/reference.ts'

const PLATFORMS = ['amd64', 'arm64'] as const
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'
/** A layout has no repositories; the store's interface asks for one. */
const REPOSITORY = parseRepositoryName('sample')

/** Writes the image into an OCI image layout under `tag`; answers its digest. */
export async function writeSampleImage(directory: string, tag: string): Promise<Digest> {
  const store = createOciLayoutStore({directory})
  try {
    const children = []
    for (const architecture of PLATFORMS) {
      const manifest = await writePlatform(store, architecture)
      const {mediaType, digest, bytes} = manifest
      children.push({mediaType, digest, size: bytes.length, platform: {os: 'linux', architecture}})
    }
    const index = encodeManifest(MEDIA_TYPE.ociIndex, {manifests: children})
    await store.writeManifest(REPOSITORY, parseTag(tag), index)
    return index.digest
  } finally {
    await store.close()
  }
}

async function writePlatform(store: OciLayoutStore, architecture: string): Promise<RawManifest> {
  const tar = tarOfFile('hello.txt', `Hello from linux/${architecture}!\n`)
  const layer = await writeBlob(store, LAYER_TYPE, gzipSync(tar))
  const config = {
    os: 'linux',
    architecture,
    config: {Cmd: ['cat', '/hello.txt']},
    rootfs: {type: 'layers', diff_ids: [digestOf(tar)]},
  }
  const manifest = encodeManifest(MEDIA_TYPE.ociManifest, {
    config: await writeBlob(store, MEDIA_TYPE.ociConfig, Buffer.from(JSON.stringify(config))),
    layers: [layer],
  })
  await store.writeManifest(REPOSITORY, manifest.digest, manifest)
  return manifest
}

async function writeBlob(store: OciLayoutStore, mediaType: string, bytes: Buffer) {
  const blob = {mediaType, digest: digestOf(bytes), size: bytes.length}
  await store.writeBlob(REPOSITORY, blob, async (sink, start) => {
    await new Promise<void>((resolve) => sink.write(bytes.subarray(start), resolve))
  })
  return blob
}

function encodeManifest(mediaType: string, json: object): RawManifest {
  return createRawManifest(mediaType, Buffer.from(JSON.stringify({schemaVersion: 2, mediaType, ...json})))
}

const TAR_BLOCK_BYTES = 512

/** A tar archive of one file (POSIX.1-1988 ustar). */
function tarOfFile(name: string, content: string): Buffer {
  const body = Buffer.from(content)
  const header = Buffer.alloc(TAR_BLOCK_BYTES)
  const put = (text: string, offset: number) => header.write(text, offset, 'ascii')
  put(name, 0)
  put('0000644\0', 100)
  put('0000000\0', 108)
  put('0000000\0', 116)
  put(`${body.length.toString(8).padStart(11, '0')}\0`, 124)
  put('00000000000\0', 136)
  put('        ', 148)
  put('0', 156)
  put('ustar\x0000', 257)
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  put(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((TAR_BLOCK_BYTES - (body.length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES)
  return Buffer.concat([header, body, padding, Buffer.alloc(2 * TAR_BLOCK_BYTES)])
}
