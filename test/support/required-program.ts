/** Programs that the real tests run. A missing one skips its tests loudly on a laptop and fails them in CI. */
import {accessSync, constants, globSync} from 'node:fs'
import {delimiter, join} from 'node:path'

/** Where Debian keeps daemons, which are often not in a user's PATH. */
const DAEMON_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', ...globSync('/usr/lib/postgresql/*/bin')]

/** The path of a program, or undefined when there is none. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...DAEMON_FOLDERS]
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/**
 * Call it first inside `describe`: its tests need these programs.
 * With `CI` set a missing one is an error; otherwise the suite is skipped and says so.
 */
export function needs(...programs: readonly string[]): void {
  before(function () {
    const missing = programs.filter((name) => findProgram(name) === undefined)
    if (missing.length === 0) return
    const names = missing.join(', ')
    if (process.env.CI) throw new Error(`${names} must be installed in CI; .ci/run does it`)
    process.stderr.write(`\n    SKIPPED: ${names} is not installed; .ci/run says how\n`)
    this.skip()
  })
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
