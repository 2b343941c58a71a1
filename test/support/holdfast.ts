/** The real command line, as a user runs it, with a home of its own. */
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {type ProgramResult, type RunOptions, run} from './run-program.ts'

/** The launcher that npm installs as `holdfast`. */
export const HOLDFAST_LAUNCHER = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

/** What Node and OpenSSL take from the environment of the machine and a test of certificates must not. */
const INHERITED = ['PATH', 'TMPDIR', 'LANG', 'SystemRoot']

export interface Holdfast {
  /** The folder of its home, data and configuration. */
  readonly home: string
  readonly dataDirectory: string
  readonly env: NodeJS.ProcessEnv
  /** Runs `holdfast …` to its end; never throws on its exit code, and always when it had to be ended. */
  run(args: readonly string[], options?: RunOptions): Promise<ProgramResult>
  /** Runs `holdfast … --json`; answers its envelope, which must be all of its standard output. */
  json(args: readonly string[], options?: RunOptions): Promise<JsonRun>
}

export interface JsonRun extends ProgramResult {
  readonly envelope: JsonEnvelope
}

/** The one shape of `--json`; `result` is checked by the tests that use it. */
interface JsonEnvelope {
  readonly ok: boolean
  readonly command?: string
  readonly result?: unknown
  readonly warnings?: readonly unknown[]
  readonly error?: {
    readonly code: string
    readonly message: string
    readonly hints: readonly string[]
    readonly retryable: boolean
    readonly httpStatus?: number
    readonly details?: Readonly<Record<string, unknown>>
  }
}

/** Sets up a user of Holdfast whose home is below `directory`. */
export async function createHoldfast(directory: string, environment: NodeJS.ProcessEnv = {}): Promise<Holdfast> {
  const home = join(directory, 'home')
  const dataDirectory = join(home, 'holdfast-data')
  await mkdir(join(home, 'runtime'), {recursive: true, mode: 0o700})
  const env: NodeJS.ProcessEnv = {
    ...Object.fromEntries(INHERITED.map((name) => [name, process.env[name]])),
    HOME: home,
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_DATA_HOME: join(home, '.local', 'share'),
    XDG_CACHE_HOME: join(home, '.cache'),
    XDG_STATE_HOME: join(home, '.local', 'state'),
    XDG_RUNTIME_DIR: join(home, 'runtime'),
    HOLDFAST_DATA_DIR: dataDirectory,
    CI: '1',
    ...environment,
  }
  const runHoldfast = async (args: readonly string[], options: RunOptions = {}): Promise<ProgramResult> => {
    const result = await run(process.execPath, [HOLDFAST_LAUNCHER, ...args], {...options, env: {...env, ...options.env}})
    assertEndedByItself(args, result.stderr)
    return result
  }
  return {
    home,
    dataDirectory,
    env,
    run: runHoldfast,
    json: async (args, options) => {
      const result = await runHoldfast([...args, '--json'], options)
      return {...result, envelope: parseEnvelope(result)}
    },
  }
}

/** The last resort ends what leaks; no command may need it. */
export function assertEndedByItself(args: readonly string[], stderr: string): void {
  if (stderr.includes('something is still open')) throw new Error(`holdfast ${args.join(' ')} did not end by itself: ${stderr}`)
}

function parseEnvelope(result: ProgramResult): JsonEnvelope {
  try {
    return JSON.parse(result.stdout) as JsonEnvelope
  } catch {
    throw new Error(`holdfast --json printed no JSON but "${result.stdout}", ended with ${result.exitCode} and said: ${result.stderr}`)
  }
}
