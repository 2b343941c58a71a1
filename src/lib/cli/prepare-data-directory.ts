/** The data directory before something is kept in it. */
import {constants} from 'node:fs'
import {access} from 'node:fs/promises'
import {HoldfastError} from '../core/errors.ts'
import {makeDirectory} from '../core/make-directory.ts'
import {shellCommand} from '../core/shell.ts'

const PRIVATE_DIRECTORY = 0o700

/**
 * Makes the data directory, for its owner alone, and `folder` in it; a program that keeps images there finds out now that it cannot, and not at the first image.
 * @throws {HoldfastError} STORAGE
 */
export async function prepareDataDirectory(dataDirectory: string, folder: string): Promise<void> {
  try {
    await makeDirectory(dataDirectory, {mode: PRIVATE_DIRECTORY})
    await makeDirectory(folder)
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new HoldfastError('STORAGE', `cannot write to "${folder}": ${reason}`, {
      hints: [
        'export HOLDFAST_DATA_DIR="$PWD/holdfast-data"   # or another folder that you may write',
        shellCommand`ls -ld ${dataDirectory}`,
      ],
      cause,
    })
  }
}
