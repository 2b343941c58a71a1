/** Writing what a source pushes into an open file, stopping it as soon as the disk or a limit says no. */
import type {FileHandle} from 'node:fs/promises'
import {IntegrityError} from '../../core/errors.ts'
import type {BlobSource} from '../store.ts'
import {FileSink, type FileSinkOptions} from './file-sink.ts'
import type {Growth} from './growing-file.ts'
import type {TrailingHash} from './trailing-hash.ts'

export interface ReceiveOptions {
  /** Where in the file the first byte goes, and where the source starts. */
  readonly position: number
  /** The size in bytes that the file must not exceed. */
  readonly limitBytes?: number | undefined
  readonly hash: TrailingHash
  /** Told how far the file is, for those who read behind it. */
  readonly growth?: Growth | undefined
  /** Rejects before a write that the disk must not take. */
  readonly beforeWrite?: FileSinkOptions['beforeWrite']
  readonly signal?: AbortSignal | undefined
}

/**
 * Answers with the size of the file then. When the source fails, what it had pushed is in the file.
 * @throws {HoldfastError} INTEGRITY when more than `limitBytes` come; else what the disk said, or the source.
 */
export async function receiveFile(file: FileHandle, source: BlobSource, options: ReceiveOptions): Promise<number> {
  const {position, limitBytes, hash, growth, beforeWrite, signal} = options
  const stop = new AbortController()
  const sink = new FileSink(file, {
    position,
    beforeWrite,
    onWritten: (end) => {
      hash.advance(end)
      growth?.written(end)
    },
    onFailure: () => stop.abort(),
    checkPosition: (end) => {
      if (limitBytes !== undefined && end > limitBytes) {
        throw new IntegrityError(`cannot store blob: more bytes were sent than the ${limitBytes} of its descriptor`, {
          details: {expected: limitBytes},
        })
      }
    },
  })
  try {
    await source(sink, position, signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]))
  } catch (error) {
    // What the disk said comes first: the source may have failed only because it was stopped.
    await sink.drain()
    throw error
  }
  return await sink.drain()
}
