/** The programs of this machine that the benchmark needs. */
import {execFile} from 'node:child_process'
import {constants} from 'node:fs'
import {access} from 'node:fs/promises'
import {delimiter, join} from 'node:path'

const VERSION_ARGUMENTS: Readonly<Record<string, readonly string[]>> = {crane: ['version'], regctl: ['version']}

/** The path of a program, or undefined when PATH has none of that name. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    const isExecutable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isExecutable) return path
  }
  return undefined
}

/** @throws {Error} naming every program that is missing. */
export async function requirePrograms(names: readonly string[]): Promise<void> {
  const missing = []
  for (const name of names) if ((await findProgram(name)) === undefined) missing.push(name)
  if (missing.length > 0) throw new Error(`cannot run the benchmark: ${missing.join(', ')} not found; apt-get install ${missing.join(' ')}`)
}

/** The version that a program names, or `unknown`. */
export function programVersion(program: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, [...(VERSION_ARGUMENTS[program] ?? ['--version'])], (_error, stdout) =>
      resolve(/\bv?(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1] ?? 'unknown'),
    )
  })
}
