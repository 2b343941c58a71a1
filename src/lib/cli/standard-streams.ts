/** What becomes of what is written to the standard streams of this process. */
import {getSystemErrorMessage} from 'node:util'
import {HoldfastError} from '../core/errors.ts'

/** Its reader has left, as `head` does: nothing is wrong. */
const READER_IS_GONE = ['EPIPE', 'ECONNRESET']

export interface StandardStreams {
  /**
   * Settles when everything that was written has left, or its reader has.
   * @throws {HoldfastError} STORAGE when standard output did not take all of it.
   */
  flush(): Promise<void>
}

/** Takes over the failures of both streams. Standard error is for notes: no command fails for want of it. */
export function watchStandardStreams({stdout, stderr}: Pick<NodeJS.Process, 'stdout' | 'stderr'>): StandardStreams {
  let failure: NodeJS.ErrnoException | undefined
  // oclif has a listener that throws.
  stdout.removeAllListeners('error').on('error', (error) => {
    failure ??= error
  })
  stderr.on('error', () => {})
  return {
    async flush() {
      await isWritten(stdout, '')
      if (failure !== undefined && !READER_IS_GONE.includes(failure.code ?? '')) throw writeError(failure)
    },
  }
}

/** Writes text to standard output and waits until it has left. @throws {HoldfastError} STORAGE when the system did not take it; a reader that has left is not a failure. */
export async function assertWritten(stream: NodeJS.WritableStream, text: string): Promise<void> {
  const failure = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => stream.write(text, resolve))
  if (failure && !READER_IS_GONE.includes(failure.code ?? '')) throw writeError(failure)
}

/** Writes text; tells whether the system took all of it. */
export async function isWritten(stream: NodeJS.WritableStream, text: string): Promise<boolean> {
  return await new Promise((resolve) => stream.write(text, (error) => resolve(error === undefined || error === null)))
}

/** Standard output that could not be written, as an error that a user can act on. */
export function writeError(cause: NodeJS.ErrnoException): HoldfastError {
  const reason = cause.errno === undefined ? cause.message : getSystemErrorMessage(cause.errno)
  return new HoldfastError('STORAGE', `cannot write "standard output": ${reason}`, {
    hints: ['df -h .'],
    details: {errno: cause.code},
    cause,
  })
}
