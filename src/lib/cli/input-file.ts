/** Files that users name. */
import type {Readable} from 'node:stream'
import {ByteCollector} from '../core/byte-collector.ts'
import {HoldfastError} from '../core/errors.ts'
import {readRegularFile, unreadableFile} from '../core/regular-file.ts'
import {unlessAborted} from '../core/settle-within.ts'

/** An access log of a busy day has less. */
const MAX_INPUT_BYTES = 256 * 1024 * 1024

export interface InputOptions {
  /** More is refused; 256 MiB when absent. */
  readonly maxBytes?: number | undefined
  readonly input?: Readable
}

/** @throws {HoldfastError} CONFIGURATION when it cannot be read, is not a regular file, or is too large; the reason of the signal. */
export async function readInputFile(file: string, signal: AbortSignal, maxBytes = MAX_INPUT_BYTES): Promise<Buffer> {
  try {
    return await readRegularFile(file, {maxBytes, signal})
  } catch (cause) {
    if (signal.aborted) throw cause
    throw unreadableFile(file, cause)
  }
}

/** The same as text; `-` is standard input. @throws {HoldfastError} CONFIGURATION; the reason of the signal. */
export async function readInputText(
  file: string,
  signal: AbortSignal,
  {maxBytes, input = process.stdin}: InputOptions = {},
): Promise<string> {
  return (file === '-' ? await readStandardInput(input, signal, maxBytes) : await readInputFile(file, signal, maxBytes)).toString('utf8')
}

/** Lets go of the input when the signal fires, which would keep the process there. */
async function readStandardInput(input: Readable, signal: AbortSignal, maxBytes = MAX_INPUT_BYTES): Promise<Buffer> {
  const stop = (): void => void input.destroy()
  signal.addEventListener('abort', stop, {once: true})
  try {
    return await unlessAborted(collect(input, maxBytes), signal)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function collect(input: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
  const collected = new ByteCollector(maxBytes)
  for await (const piece of input) {
    if (!collected.add(piece)) throw new HoldfastError('CONFIGURATION', `cannot read standard input: it has more than ${maxBytes} bytes`)
  }
  return collected.bytes
}
