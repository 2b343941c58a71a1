/** A secret on standard input: the only way to give one without a terminal, since arguments are seen by everybody on the machine. */
import {ByteCollector} from '../core/byte-collector.ts'
import {HoldfastError} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'

/** Passwords and tokens have a few kilobytes. */
const MAX_SECRET_BYTES = 64 * 1024

/**
 * Reads standard input to its end, with every line of it: a service account key has many. One line break at the end is not part of the secret.
 * @param flag the flag that asked for it, for messages.
 * @throws {HoldfastError} USAGE when it is empty, too long, or not UTF-8.
 */
export async function readSecret(flag: string, input: AsyncIterable<Uint8Array> = process.stdin): Promise<Secret> {
  const collected = new ByteCollector(MAX_SECRET_BYTES)
  for await (const chunk of input) {
    if (!collected.add(chunk)) throw refused(flag, `it has more than ${MAX_SECRET_BYTES} bytes`)
  }
  const text = decode(collected.bytes, flag).replace(/\r?\n$/, '')
  if (text === '') throw refused(flag, 'it is empty')
  return new Secret(text)
}

/**
 * The same for several secrets, one a line.
 * @throws {HoldfastError} USAGE when there are not so many, or one is empty.
 */
export async function readSecrets(flag: string, count: number, input?: AsyncIterable<Uint8Array>): Promise<readonly Secret[]> {
  const lines = (await readSecret(flag, input)).reveal().split(/\r?\n/)
  if (lines.length !== count || lines.includes('')) throw refused(flag, `it does not have ${count} lines, one secret each`)
  return lines.map((line) => new Secret(line))
}

function decode(bytes: Uint8Array, flag: string): string {
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(bytes)
  } catch {
    throw refused(flag, 'it is not UTF-8')
  }
}

function refused(flag: string, reason: string): HoldfastError {
  return new HoldfastError('USAGE', `cannot read the secret from standard input (${flag}): ${reason}`, {
    hints: [`holdfast … ${flag} < FILE`],
  })
}
