/**
 * Making directories, one by one. Node's recursive `mkdir` starts again at every ENOENT, so it never ends, and cannot be interrupted, where a file system lets no
 * directory be made at all and says ENOENT, as /proc does. `test/unit/architecture.test.ts` keeps it out of the rest of the source.
 */
import {mkdir, stat} from 'node:fs/promises'
import {dirname, resolve} from 'node:path'
import {hasErrno} from './errno.ts'

/** Another process may remove a directory that the next one is to be made in: this often everything is tried. */
const MAX_ATTEMPTS = 3

type Outcome = 'made' | 'there' | 'no parent'

/**
 * Makes a directory, and those above it that are missing, with `mode` (default: 0o777 less the umask). Returns the highest one that was made; undefined when
 * `directory` was there.
 * @throws the error of the system call; EPERM where the file system lets no directory be made.
 */
export async function makeDirectory(directory: string, {mode}: {readonly mode?: number} = {}): Promise<string | undefined> {
  const target = resolve(directory)
  for (let attempt = 1; ; attempt++) {
    try {
      return await makeWithParents(target, mode)
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error
      if (attempt === MAX_ATTEMPTS) throw refused(target, error)
    }
  }
}

/** Up to the first directory that is there or can be made, then down again; each path is tried twice at most. */
async function makeWithParents(target: string, mode: number | undefined): Promise<string | undefined> {
  const missing: string[] = []
  let path = target
  let outcome = await makeOne(path, mode)
  while (outcome === 'no parent' && path !== dirname(path)) {
    missing.push(path)
    path = dirname(path)
    outcome = await makeOne(path, mode)
  }
  let highest = outcome === 'made' ? path : undefined
  for (const below of missing.reverse()) {
    await mkdirUnlessThere(below, mode)
    highest ??= below
  }
  return highest
}

async function makeOne(path: string, mode: number | undefined): Promise<Outcome> {
  try {
    return await mkdirUnlessThere(path, mode)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 'no parent'
    throw error
  }
}

/** The code for a directory that is there depends on its file system: EEXIST, EROFS, EACCES, and EISDIR or EPERM for a root. */
async function mkdirUnlessThere(path: string, mode: number | undefined): Promise<'made' | 'there'> {
  try {
    await mkdir(path, mode)
    return 'made'
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) throw error
    const isThere = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    )
    if (isThere) return 'there'
    throw error
  }
}

/** EPERM is what mkdir(2) has for this. */
function refused(path: string, cause: unknown): Error {
  const message = `EPERM: no directory can be made there, mkdir '${path}'`
  return Object.assign(new Error(message, {cause}), {code: 'EPERM', syscall: 'mkdir', path})
}
