/** Links: small files whose content is a digest. They say what a repository holds; the bytes are in the blobs area, once for all repositories. */
import {rename, rm, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import {makeDirectory} from '../../core/make-directory.ts'
import {readRegularFile} from '../../core/regular-file.ts'
import {type Digest, isDigest} from '../../oci/digest.ts'
import {syncDirectory, writeDurably} from '../disk/durable.ts'
import type {RegistryLayout} from './layout.ts'

/** A digest with a line break has less than 150 bytes. */
const MAX_LINK_BYTES = 1024

/** What a link names; undefined when there is none, or when it was left empty or broken by a power failure. @throws {HoldfastError} CONFIGURATION for what is not a small regular file. */
export async function readLink(path: string): Promise<Digest | undefined> {
  try {
    const text = (await readRegularFile(path, {maxBytes: MAX_LINK_BYTES})).toString('utf8').trim()
    return isDigest(text) ? text : undefined
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** Writes or replaces a link durably. */
export async function writeLink(layout: RegistryLayout, path: string, digest: Digest): Promise<void> {
  await makeDirectory(layout.temporaries())
  await writeDurably(path, layout.newTemporary(), digest)
}

/** Removes a directory as one step, whatever is in it: it is first moved out of sight. Answers whether it was there. */
export async function removeDirectory(layout: RegistryLayout, directory: string): Promise<boolean> {
  await makeDirectory(layout.temporaries())
  const doomed = layout.newTemporary()
  try {
    await rename(directory, doomed)
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
  await syncDirectory(dirname(directory))
  await rm(doomed, {recursive: true, force: true})
  return true
}

/** The size of a file in bytes; undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? found.size : undefined
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}
