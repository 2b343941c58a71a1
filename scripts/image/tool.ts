/** The programs of the system that the image is made with. */
import {execFile} from 'node:child_process'
import {promisify} from 'node:util'
import {type ErrorCode, HoldfastError} from '../../src/lib/core/errors.ts'
import {excerpt} from '../../src/lib/core/redaction.ts'

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024
/** The Debian packages of the programs that may be missing. */
const PACKAGE_OF: Readonly<Record<string, string>> = {'apt-get': 'apt', 'dpkg-deb': 'dpkg', npm: 'npm', tar: 'tar', gzip: 'gzip'}

const execute = promisify(execFile)

export interface ToolOptions {
  readonly cwd?: string
  /** What the program is run for: "download packages of Debian". */
  readonly purpose: string
  /** The code of the error if it fails; CONFIGURATION unless said. */
  readonly code?: ErrorCode
  readonly hints?: readonly string[]
}

/** Runs a program to its end; returns its standard output. Messages are in English and names sort by their bytes. @throws {HoldfastError} */
export async function runTool(program: string, args: readonly string[], options: ToolOptions): Promise<string> {
  const {cwd, purpose, code = 'CONFIGURATION', hints = []} = options
  try {
    const {stdout} = await execute(program, args, {cwd, maxBuffer: MAX_OUTPUT_BYTES, env: {...process.env, LC_ALL: 'C'}})
    return stdout
  } catch (cause) {
    const {code: status, stderr = ''} = cause as {readonly code?: unknown; readonly stderr?: string}
    if (status === 'ENOENT')
      throw new HoldfastError('CONFIGURATION', `cannot ${purpose}: "${program}" is not installed`, {
        hints: [`sudo apt-get install ${PACKAGE_OF[program] ?? program}   # on Debian`],
        cause,
      })
    const reason = errorLines(stderr) || (cause instanceof Error ? cause.message : String(cause))
    throw new HoldfastError(code, `cannot ${purpose}: ${program} failed: ${excerpt(reason)}`, {hints, cause})
  }
}

/** What a program says of its failure: of apt and npm the lines that they mark as errors. */
function errorLines(stderr: string): string {
  const marked = [...stderr.matchAll(/^(?:E: |npm error )(.*)$/gm)].map(([, line]) => line)
  return marked.length > 0 ? marked.join('; ') : stderr.trim()
}
