/** Whether a shell would find a program. */
import {accessSync, constants} from 'node:fs'
import {delimiter, join} from 'node:path'

/** Looks for an executable of that name in `PATH`; on Windows with the endings of `PATHEXT`. */
export function isInPath(program: string, {PATH, PATHEXT}: Readonly<Record<string, string | undefined>>): boolean {
  const endings = process.platform === 'win32' ? (PATHEXT ?? '.EXE;.CMD;.BAT').split(';') : ['']
  return (PATH ?? '').split(delimiter).some((folder) => endings.some((ending) => isExecutable(join(folder, program + ending))))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
