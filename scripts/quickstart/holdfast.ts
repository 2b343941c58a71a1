/** The built command line, run as a user runs it. */
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {createInterface} from 'node:readline'

const LAUNCHER = join(import.meta.dirname, '../../bin/run.js')

export interface RunningRegistry {
  /** `127.0.0.1:port` */
  readonly host: string
  /** Settles when the process is gone; harmless when it is already. */
  stop(): Promise<void>
}

/** Runs a command to its end and answers what it printed on stdout; what it notes goes to our stderr, indented as the rest. */
export async function holdfast(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
  const child = start(args, environment)
  child.stderr?.setEncoding('utf8').on('data', (text: string) => process.stderr.write(text.replace(/^(?=.)/gm, '   ')))
  const lines: string[] = []
  if (child.stdout !== null) for await (const line of createInterface({input: child.stdout})) lines.push(line)
  const code = child.exitCode ?? (await once(child, 'close'))[0]
  if (code !== 0) throw new Error(`holdfast ${args.join(' ')} ended with ${code}`)
  return lines.join('\n')
}

/** Starts the embedded registry over a folder, on a free port of loopback. */
export async function serve(dataDirectory: string): Promise<RunningRegistry> {
  const child = start(['serve', '--listen', '127.0.0.1:0', '--json'], {HOLDFAST_DATA_DIR: dataDirectory})
  const gone = once(child, 'close')
  child.stderr?.pipe(process.stderr)
  const stop = async () => {
    child.kill('SIGTERM')
    await gone
  }
  if (child.stdout !== null) {
    for await (const line of createInterface({input: child.stdout})) {
      const envelope: {readonly result?: {readonly registry: string}} = JSON.parse(line)
      if (envelope.result !== undefined) return {host: envelope.result.registry, stop}
    }
  }
  throw new Error('holdfast serve ended before it listened')
}

function start(args: readonly string[], environment: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, [LAUNCHER, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nothing that this machine's user has set up takes part.
    env: {PATH: process.env.PATH, HOME: environment.HOLDFAST_DATA_DIR, SystemRoot: process.env.SystemRoot, ...environment},
  })
}
