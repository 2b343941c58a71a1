/** The files of an OCI image layout (image-spec 1.1 image-layout.md), none of which may lie outside its directory. */
import {randomUUID} from 'node:crypto'
import {realpath, stat} from 'node:fs/promises'
import {join, resolve, sep} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import {HoldfastError} from '../../core/errors.ts'
import {makeDirectory} from '../../core/make-directory.ts'
import {readRegularFile} from '../../core/regular-file.ts'
import {shellCommand} from '../../core/shell.ts'
import {type Digest, digestAlgorithm, digestHex} from '../../oci/digest.ts'
import {writeDurably} from '../disk/durable.ts'

const LAYOUT_FILE = 'oci-layout'
const INDEX_FILE = 'index.json'
/** It holds a version and nothing else. */
const MAX_LAYOUT_FILE_BYTES = 64 * 1024
const LAYOUT_VERSION = '1.0.0'

export class LayoutDirectory {
  readonly path: string

  constructor(path: string) {
    this.path = resolve(path)
  }

  get indexFile(): string {
    return join(this.path, INDEX_FILE)
  }

  get indexLock(): string {
    return join(this.path, '.index.json.lock')
  }

  /** A name in the directory that nothing has. */
  newTemporary(): string {
    return join(this.path, `.${randomUUID()}.tmp`)
  }

  /**
   * The file of a blob, with symbolic links resolved; undefined when there is none.
   * @throws {HoldfastError} DENIED when it lies outside the directory.
   */
  async findBlob(digest: Digest): Promise<string | undefined> {
    return await this.#resolveInside(join('blobs', digestAlgorithm(digest), digestHex(digest)))
  }

  /**
   * The bytes of `index.json`; undefined when there is none.
   * @throws {HoldfastError} DENIED when it lies outside the directory; CONFIGURATION when it is not a regular file, or larger than `maxBytes`.
   */
  async readIndex(maxBytes: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    const file = await this.#resolveInside(INDEX_FILE)
    return file === undefined ? undefined : await readRegularFile(file, {maxBytes, signal})
  }

  /** Where a new blob goes; makes the directory for it. */
  async blobTarget(digest: Digest): Promise<string> {
    const directory = join('blobs', digestAlgorithm(digest))
    await makeDirectory(join(this.path, directory))
    return join((await this.#resolveInside(directory)) ?? join(this.path, directory), digestHex(digest))
  }

  /**
   * Checks that this is a layout that we understand; answers whether there is one at all.
   * @throws {HoldfastError} UNSUPPORTED for another version, CONFIGURATION when the file is malformed, or a file is where the directory should be.
   */
  async exists(): Promise<boolean> {
    if ((await stat(this.path).catch(() => undefined))?.isDirectory() === false) {
      throw new HoldfastError('CONFIGURATION', `cannot use image layout "${this.path}": it is not a directory`, {
        hints: [shellCommand`ls -ld ${this.path}`],
        details: {path: this.path},
      })
    }
    const file = await this.#resolveInside(LAYOUT_FILE)
    if (file === undefined) return false
    const version = readVersion((await readRegularFile(file, {maxBytes: MAX_LAYOUT_FILE_BYTES})).toString('utf8'))
    if (version === undefined)
      throw new HoldfastError('CONFIGURATION', `cannot read image layout "${this.path}": its ${LAYOUT_FILE} file names no version`)
    if (version !== LAYOUT_VERSION) {
      throw new HoldfastError(
        'UNSUPPORTED',
        `cannot read image layout "${this.path}": it has version ${version}, and only ${LAYOUT_VERSION} is known`,
      )
    }
    return true
  }

  /** Makes the directory a layout unless it is one. */
  async create(): Promise<void> {
    if (await this.exists()) return
    await makeDirectory(this.path)
    await writeDurably(join(this.path, LAYOUT_FILE), this.newTemporary(), JSON.stringify({imageLayoutVersion: LAYOUT_VERSION}))
  }

  async #resolveInside(relative: string): Promise<string | undefined> {
    try {
      const [top, path] = await Promise.all([realpath(this.path), realpath(join(this.path, relative))])
      if (path.startsWith(top + sep)) return path
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
    throw new HoldfastError('DENIED', `cannot use "${join(this.path, relative)}": a symbolic link leads out of the image layout`)
  }
}

function readVersion(text: string): string | undefined {
  try {
    const json: unknown = JSON.parse(text)
    const isObject = typeof json === 'object' && json !== null && 'imageLayoutVersion' in json
    return isObject && typeof json.imageLayoutVersion === 'string' ? json.imageLayoutVersion : undefined
  } catch {
    return undefined
  }
}
