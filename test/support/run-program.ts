/** Running a program to its end. */
import {spawnChild} from './child-process.ts'
import {PATIENCE_MS} from './patience.ts'

export interface ProgramResult {
  readonly stdout: string
  readonly stderr: string
  /** What it ended with; 128 plus the number of the signal that ended it is not computed: `signal` names it, and this is then null. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly input?: string
  readonly timeoutMs?: number
  /** Called with the process id as soon as there is one. */
  readonly onStart?: (pid: number) => void
}

/** Runs a program and collects what it says. Rejects only when it cannot be started or takes too long. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawnChild(program, args, {cwd: options.cwd, env: options.env ?? process.env, stdio: ['pipe', 'pipe', 'pipe']})
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    const timeoutMs = options.timeoutMs ?? PATIENCE_MS
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${program} ${args.join(' ')} took more than ${timeoutMs} ms; it said: ${Buffer.concat(stderr).toString()}`))
    }, timeoutMs)
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.on('close', (exitCode, signal) => {
      clearTimeout(timer)
      resolve({stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), exitCode, signal})
    })
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    if (child.pid !== undefined) options.onStart?.(child.pid)
  })
}

/** Runs a program that must succeed; answers its standard output. */
export async function runOk(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const {exitCode, signal, stdout, stderr} = await run(program, args, options)
  if (exitCode !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${exitCode ?? signal}: ${stderr}${stdout}`)
  return stdout
}
