/** Runs one command and measures the whole process from outside, as a shell would. */
import {execFile} from 'node:child_process'
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

/** Only what is listed reaches the process: proxies, certificates and tools' own settings of this machine must not decide. */
export interface Command {
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Its standard input; empty when absent. */
  readonly input?: string
}

/** What a process took; CPU is user and system time of it and its children. */
export interface ProcessUsage {
  readonly wallMs: number
  readonly cpuMs: number
  readonly peakMemoryBytes: number
}

/** bash's `time` has milliseconds where time(1) has hundredths; time(1) has the peak memory. */
const MEASURE_SCRIPT = `
peak=$1 times=$2 out=$3 err=$4 in=$5; shift 5
TIMEFORMAT='%3R %3U %3S'
{ time command time -q -f %M -o "$peak" "$@" >"$out" 2>"$err" <"$in"; } 2>"$times"
`
/** A benchmark run that hangs is stopped. */
const COMMAND_TIMEOUT_MS = 600_000
const MAX_QUOTED_CHARACTERS = 2_000

/**
 * Runs a command to its end.
 * @param folder where the files of the measurement go for a moment.
 * @throws {Error} when the command does not end with 0; quotes what it wrote to standard error.
 */
export async function measure(command: Command, folder: string): Promise<ProcessUsage> {
  const scratch = await mkdtemp(join(folder, 'measure-'))
  const file = (name: string): string => join(scratch, name)
  const [peak, times, out, err, input] = [file('peak'), file('times'), file('out'), file('err'), file('in')]
  try {
    await writeFile(input, command.input ?? '')
    const exitCode = await run(
      ['bash', '-c', MEASURE_SCRIPT, 'measure', peak, times, out, err, input, ...command.argv],
      command.environment,
    )
    if (exitCode !== 0) {
      const stderr = await readFile(err, 'utf8')
      throw new Error(
        `cannot run "${command.argv.slice(0, 3).join(' ')} …": it ended with ${exitCode}: ${stderr.slice(-MAX_QUOTED_CHARACTERS)}`,
      )
    }
    const [real = Number.NaN, user = Number.NaN, system = Number.NaN] = (await readFile(times, 'utf8')).trim().split(' ').map(Number)
    const peakKib = Number((await readFile(peak, 'utf8')).trim())
    return {wallMs: real * 1000, cpuMs: (user + system) * 1000, peakMemoryBytes: peakKib * 1024}
  } finally {
    await rm(scratch, {recursive: true})
  }
}

function run(argv: readonly string[], environment: Readonly<Record<string, string>>): Promise<number | string> {
  const [program = '', ...args] = argv
  return new Promise((resolve) => {
    execFile(program, args, {env: {...environment}, timeout: COMMAND_TIMEOUT_MS}, (error) =>
      resolve(error === null ? 0 : (error.code ?? error.message)),
    )
  })
}
