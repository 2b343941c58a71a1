/** Layers that no compression helps: random bytes by seed, in a tar of one file, in a gzip of stored blocks, so that every tool accepts them as they are. */
import {createCipheriv, createHash} from 'node:crypto'
import {createWriteStream} from 'node:fs'
import {rename} from 'node:fs/promises'
import {Readable, Transform} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {createGzip} from 'node:zlib'

const CHUNK_BYTES = 1024 * 1024
const TAR_BLOCK_BYTES = 512
const CIPHER = 'aes-128-ctr'

/** A blob in a file of its own, named by its digest. */
export interface StoredBlob {
  readonly digest: string
  readonly sizeBytes: number
}

/** A layer with the digest of its tar, which the image's config names. */
export interface StoredLayer extends StoredBlob {
  readonly diffId: string
}

/**
 * Writes the layer of a seed; the same seed and size give the same bytes everywhere.
 * @param contentBytes size of the file in the layer; the layer is a few parts in ten thousand larger.
 * @param fileOf says where the layer belongs once its digest is known; its folder must exist or be made by `fileOf`.
 */
export async function writeLayer(
  seed: string,
  contentBytes: number,
  temporaryFile: string,
  fileOf: (digest: string) => Promise<string>,
): Promise<StoredLayer> {
  const tarHash = createHash('sha256')
  const layerHash = createHash('sha256')
  let sizeBytes = 0
  const tap = (onChunk: (chunk: Buffer) => void): Transform =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        onChunk(chunk)
        done(null, chunk)
      },
    })
  await pipeline(
    Readable.from(tarOf(seed, contentBytes)),
    tap((chunk) => tarHash.update(chunk)),
    createGzip({level: 0, chunkSize: CHUNK_BYTES}),
    tap((chunk) => {
      layerHash.update(chunk)
      sizeBytes += chunk.length
    }),
    createWriteStream(temporaryFile, {highWaterMark: CHUNK_BYTES}),
  )
  const digest = `sha256:${layerHash.digest('hex')}`
  await rename(temporaryFile, await fileOf(digest))
  return {digest, sizeBytes, diffId: `sha256:${tarHash.digest('hex')}`}
}

function* tarOf(seed: string, contentBytes: number): Generator<Buffer> {
  yield tarHeader(`${seed}.bin`, contentBytes)
  yield* randomBytes(seed, contentBytes)
  const padding = (TAR_BLOCK_BYTES - (contentBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES
  yield Buffer.alloc(padding + 2 * TAR_BLOCK_BYTES)
}

/** AES in counter mode over zeros: as fast as memory, and no two blocks alike. */
function* randomBytes(seed: string, sizeBytes: number): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  const cipher = createCipheriv(CIPHER, key, Buffer.alloc(16))
  const zeros = Buffer.alloc(CHUNK_BYTES)
  for (let left = sizeBytes; left > 0; left -= CHUNK_BYTES) yield cipher.update(zeros.subarray(0, Math.min(left, CHUNK_BYTES)))
}

/** The header of a regular file in the ustar format (POSIX.1-1988). */
function tarHeader(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(TAR_BLOCK_BYTES)
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0')
  header.write(name, 0, 100)
  header.write(octal(0o644, 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(sizeBytes, 11), 124)
  header.write(octal(0, 11), 136)
  header.write(' '.repeat(8), 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${octal(checksum, 6)}\0 `, 148)
  return header
}
