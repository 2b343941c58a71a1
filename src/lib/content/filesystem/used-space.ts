/** How much a store takes: the bytes of its blobs and manifests, each once, however many repositories hold it. */
import {stat} from 'node:fs/promises'
import {join} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import {namesIn} from '../disk/names-in.ts'
import type {RegistryLayout} from './layout.ts'

/** Walks the blobs; what is removed meanwhile counts nothing. */
export async function measureUsedBytes(layout: RegistryLayout, signal: AbortSignal | undefined): Promise<number> {
  let usedBytes = 0
  const blobs = layout.blobs()
  for (const algorithm of await namesIn(blobs))
    for (const prefix of await namesIn(join(blobs, algorithm)))
      for (const hex of await namesIn(join(blobs, algorithm, prefix))) {
        signal?.throwIfAborted()
        usedBytes += await sizeOf(join(blobs, algorithm, prefix, hex, 'data'))
      }
  return usedBytes
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return 0
    throw error
  }
}
