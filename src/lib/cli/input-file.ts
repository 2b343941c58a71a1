/** Files that users name. */
import {ByteCollector} from '../core/byte-collector.ts'
import {HoldfastError} from '../core/errors.ts'
import {readRegularFile, unreadableFile} from '../core/regular-file.ts'

/** An access log of a busy day has less. */
const MAX_INPUT_BYTES = 256 * 1024 * 1024

/** @throws {HoldfastError} CONFIGURATION when it cannot be read, is not a regular file, or is too large. */
export async function readInputFile(file: string): Promise<Buffer> {
  try {
    return await readRegularFile(file, {maxBytes: MAX_INPUT_BYTES})
  } catch (cause) {
    throw unreadableFile(file, cause)
  }
}

/** The same as text; `-` is standard input. @throws {HoldfastError} CONFIGURATION */
export async function readInputText(file: string, input: AsyncIterable<Uint8Array> = process.stdin): Promise<string> {
  return (file === '-' ? await readStandardInput(input) : await readInputFile(file)).toString('utf8')
}

async function readStandardInput(input: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const collected = new ByteCollector(MAX_INPUT_BYTES)
  for await (const piece of input) {
    if (!collected.add(piece))
      throw new HoldfastError('CONFIGURATION', `cannot read standard input: it has more than ${MAX_INPUT_BYTES} bytes`)
  }
  return collected.bytes
}
