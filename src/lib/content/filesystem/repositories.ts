/** The repositories of a store, found by walking its directories. */
import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import {isRepositoryName, type RepositoryName} from '../../oci/reference.ts'

/** A directory that may be a repository: its name, and which of the layout's own directories (`_layers`, `_manifests`, `_uploads`) it has. */
export interface RepositoryDirectory {
  readonly name: RepositoryName
  readonly parts: ReadonlySet<string>
}

/**
 * Walks the directories below `top` in the lexical order of their full names, those after `last` only. Names are compared as text, so `a-b` comes between
 * `a` and `a/b`. One directory of each depth is in memory at a time.
 */
export async function* walkRepositories(top: string, last?: string, prefix = ''): AsyncGenerator<RepositoryDirectory, void, undefined> {
  const names = (await directoryNames(join(top, prefix))).filter((name) => !name.startsWith('_'))
  const steps = names.flatMap((name) => [prefix + name, `${prefix}${name}/`]).sort()
  for (const step of steps) {
    if (step.endsWith('/')) {
      if (last === undefined || step > last || last.startsWith(step)) yield* walkRepositories(top, last, step)
    } else if (isRepositoryName(step) && (last === undefined || step > last)) {
      const parts = (await directoryNames(join(top, step))).filter((name) => name.startsWith('_'))
      if (parts.length > 0) yield {name: step, parts: new Set(parts)}
    }
  }
}

async function directoryNames(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, {withFileTypes: true})
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}
