/** The program: finds the command and runs it; what no command could answer for is answered here in the same way. */
import {Config} from '@oclif/core/config'
import type {Options} from '@oclif/core/interfaces'
import {run} from '@oclif/core/run'
import {HoldfastError} from '../core/errors.ts'
import {text} from '../core/terminal-text.ts'
import {onCrash} from './crash.ts'
import {reportError} from './error-report.ts'
import {completeUserEnvironment} from './home-directory.ts'
import {Output} from './output.ts'
import {watchStandardStreams} from './standard-streams.ts'
import {suggest} from './suggestion.ts'
import {createTerminal} from './terminal.ts'

/** Runs the command line `argv` (without node and script); sets the exit code of the process and never rejects. */
export async function runProgram(argv: readonly string[], options: Options): Promise<void> {
  const streams = watchStandardStreams(process)
  let isAnswered = false
  // For good: what a command started may fail after its end.
  onCrash((error) => reportCrash(error, argv, isAnswered))
  reportWarnings(argv)
  try {
    await runCommandLine(argv, options)
  } catch (error) {
    await fail(error, programOutput(argv))
  }
  isAnswered = true
  await streams.flush().catch((error: unknown) => reportLoss(error, argv))
}

async function runCommandLine(argv: readonly string[], options: Options): Promise<void> {
  completeUserEnvironment(process.env)
  // Plugins of users would be code from the data directory; nothing adds any.
  const config = await Config.load({...options, userPlugins: false})
  const args = helpWord(argv)
  const unknown = findUnknownCommand(args, config)
  if (unknown !== undefined) throw unknown
  await run([...args], config)
}

async function fail(error: unknown, output: Output): Promise<void> {
  if (isExit(error)) {
    process.exitCode = error.oclif.exit
    return
  }
  const report = reportError(error)
  process.exitCode = report.exitCode
  await output.fail(report)
}

/** What goes on behind a command that has failed already may fail as well: its error and its exit code stand. */
async function reportCrash(error: unknown, argv: readonly string[], isAnswered: boolean): Promise<void> {
  const output = isAnswered ? programOutput(argv, false) : programOutput(argv)
  if (hasFailed()) for (const line of reportError(error).trace) output.trace(line)
  else await fail(error, output)
}

/** Output that was lost. Standard output takes no more: this is told on standard error, with `--json` too. */
async function reportLoss(error: unknown, argv: readonly string[]): Promise<void> {
  const {body, ...report} = reportError(error)
  const message = hasFailed() ? body.message : `${body.message}; the command is done, and its output is incomplete`
  if (!hasFailed()) process.exitCode = report.exitCode
  await programOutput(argv, false).fail({...report, body: {...body, message}})
}

function hasFailed(): boolean {
  return process.exitCode !== undefined && process.exitCode !== 0
}

/** `holdfast help COMMAND` is what many type for `holdfast COMMAND --help`. */
function helpWord(argv: readonly string[]): readonly string[] {
  const [first, ...rest] = argv
  return first === 'help' ? [...rest, '--help'] : argv
}

/** Words before the first flag that name neither a command nor a topic. */
function findUnknownCommand(argv: readonly string[], config: Config): HoldfastError | undefined {
  const [first] = argv
  if (first === undefined || (first.startsWith('-') && argv.some((arg) => ['--help', '--version'].includes(arg)))) return undefined
  if (first.startsWith('-')) {
    return new HoldfastError('USAGE', 'cannot find a command: flags come after it', {hints: ['holdfast --help']})
  }
  const flagAt = argv.findIndex((arg) => arg.startsWith('-'))
  const words = flagAt < 0 ? argv : argv.slice(0, flagAt)
  let topic: string | undefined
  let typed: string | undefined
  for (const word of words) {
    const id: string = topic === undefined ? word : `${topic}:${word}`
    if (config.findCommand(id) !== undefined) return undefined
    if (config.findTopic(id) === undefined) {
      typed = id.replaceAll(':', ' ')
      break
    }
    topic = id
  }
  if (typed === undefined) return undefined
  const known = config.commands.flatMap(({id, aliases}) => [id, ...aliases]).map((id) => id.replaceAll(':', ' '))
  const topics = config.topics.map(({name}) => name)
  const meant = suggest(typed, [...known, ...topics])
  return new HoldfastError(
    'USAGE',
    `cannot run "${typed}": there is no such command${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
    {
      hints: [
        meant === undefined ? `holdfast ${topic === undefined ? '' : `${topic.replaceAll(':', ' ')} `}--help` : `holdfast ${meant} --help`,
      ],
    },
  )
}

/** Warnings of Node and oclif, which Node would print as they are: paths and messages of others are in them. */
function reportWarnings(argv: readonly string[]): void {
  process.removeAllListeners('warning')
  process.on('warning', ({name, message}) => programOutput(argv).note(text`Warning: ${name}: ${message}`))
}

function programOutput(argv: readonly string[], json = argv.includes('--json')): Output {
  const [first = ''] = argv
  return new Output({
    terminal: createTerminal(process, process.env),
    command: first.startsWith('-') ? '' : first,
    json,
    quiet: false,
    debug: argv.includes('--debug'),
  })
}

function isExit(error: unknown): error is Error & {readonly oclif: {readonly exit: number}} {
  return error instanceof Error && 'code' in error && error.code === 'EEXIT' && 'oclif' in error
}
