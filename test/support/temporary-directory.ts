/** Folders that a test may fill. */
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

export interface TemporaryDirectory {
  readonly path: string
  remove(): Promise<void>
}

/** Makes an empty folder of its own, below `parent`. */
export async function createTemporaryDirectory(purpose = 'test', parent = tmpdir()): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(parent, `holdfast-${purpose}-`))
  return {path, remove: () => rm(path, {recursive: true, force: true, maxRetries: 3})}
}
