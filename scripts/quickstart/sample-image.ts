/** A small image for two platforms, made here, so that the quickstart needs no network. */
import {gzipSync} from 'node:zlib'
import {type Digest, digestOf} from '../../src/lib/oci/digest.ts'
import {GZIP_LAYER_TYPE, openImageLayout} from '../oci/image-layout.ts'

const PLATFORMS = ['amd64', 'arm64'] as const

/** Writes the image into an OCI image layout under `tag`; answers its digest. */
export async function writeSampleImage(directory: string, tag: string): Promise<Digest> {
  await using layout = openImageLayout(directory)
  const platforms = []
  for (const architecture of PLATFORMS) {
    const tar = tarOfFile('hello.txt', `Hello from linux/${architecture}!\n`)
    const config = {architecture, config: {Cmd: ['cat', '/hello.txt']}, rootfs: {type: 'layers', diff_ids: [digestOf(tar)]}}
    platforms.push(await layout.writePlatform(config, [await layout.writeBlob(GZIP_LAYER_TYPE, gzipSync(tar))]))
  }
  return await layout.writeIndex(tag, platforms)
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
