/** Files that users name. */
import type {Readable} from 'node:stream'
import {ByteCollector} from '../core/byte-collector.ts'
import {HoldfastError} from '../core/errors.ts'
import {readRegularFile, unreadableFile} from '../core/regular-file.ts'
import {unlessAborted} from '../core/settle-within.ts'

/** An access log of a busy day has less. */
const MAX_INPUT_BYTES = 256 * 1024 * 1024

/** @throws {HoldfastError} CONFIGURATION when it cannot be read, is not a regular file, or is too large; the reason of the signal. */
export async function readInputFile(file: string, signal: AbortSignal): Promise<Buffer> {
  try {
    return await readRegularFile(file, {maxBytes: MAX_INPUT_BYTES, signal})
  } catch (cause) {
    if (signal.aborted) throw cause
    throw unreadableFile(file, cause)
  }
}

/** The same as text; `-` is standard input. @throws {HoldfastError} CONFIGURATION; the reason of the signal. */
export async function readInputText(file: string, signal: AbortSignal, input: Readable = process.stdin): Promise<string> {
  return (file === '-' ? await readStandardInput(input, signal) : await readInputFile(file, signal)).toString('utf8')
}

/** Lets go of the input when the signal fires, which would keep the process there. */
async function readStandardInput(input: Readable, signal: AbortSignal): Promise<Buffer> {
  const stop = (): void => void input.destroy()
  signal.addEventListener('abort', stop, {once: true})
  try {
    return await unlessAborted(collect(input), signal)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function collect(input: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const collected = new ByteCollector(MAX_INPUT_BYTES)
  for await (const piece of input) {
    if (!collected.add(piece))
      throw new HoldfastError('CONFIGURATION', `cannot read standard input: it has more than ${MAX_INPUT_BYTES} bytes`)
  }
  return collected.bytes
}
