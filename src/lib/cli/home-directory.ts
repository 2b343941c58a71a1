/** What is asked of the system about the user, so that a user id which it does not know is enough. */
import {homedir, userInfo} from 'node:os'
import {isAbsolute, resolve} from 'node:path'

/**
 * HOME (on Windows USERPROFILE), else what the user database says, else the root, as for a container whose user id has no entry there. Always absolute: a relative
 * HOME would let the working directory decide what is read.
 */
export function homeDirectory(): string {
  for (const find of [homedir, () => userInfo().homedir]) {
    try {
      const home = find()
      if (isAbsolute(home)) return home
    } catch {
      // Neither a variable nor an entry: the next one may know.
    }
  }
  return resolve('/')
}

/**
 * Fills in what oclif would otherwise ask the user database for, which fails for a user id without an entry there: a shell, which nothing here uses, and a home, for
 * which it would take the shared temporary directory when HOME is empty.
 */
export function completeUserEnvironment(environment: NodeJS.ProcessEnv): void {
  environment.SHELL ??= ''
  if (process.platform !== 'win32' && !isAbsolute(environment.HOME ?? '')) environment.HOME = homeDirectory()
}
