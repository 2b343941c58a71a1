/** Files that people name. */
import {readFile} from 'node:fs/promises'
import {text} from 'node:stream/consumers'
import {HoldfastError} from '../core/errors.ts'

/** @throws {HoldfastError} CONFIGURATION when it cannot be read. */
export async function readInputFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new HoldfastError('CONFIGURATION', `cannot read "${file}"`, {hints: [`ls -l "${file}"`], cause})
  }
}

/** The same as text; `-` is standard input. @throws {HoldfastError} CONFIGURATION */
export async function readInputText(file: string): Promise<string> {
  return file === '-' ? await text(process.stdin) : (await readInputFile(file)).toString('utf8')
}
