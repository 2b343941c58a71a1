/** A server in a process of its own, with its log in a file and its use of the machine read from /proc. */
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {type FileHandle, open, readFile} from 'node:fs/promises'
import {connect} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'

const START_TIMEOUT_MS = 10_000
const STOP_TIMEOUT_MS = 5_000
const POLL_MS = 10
/** Linux counts CPU time of processes in hundredths of a second (USER_HZ). */
const MS_PER_TICK = 10

interface ServerUsage {
  readonly cpuMs: number
  readonly peakMemoryBytes: number
}

export interface ServerProcess {
  /** What it has used since it started. */
  usage(): Promise<ServerUsage>
  stop(): Promise<void>
}

/** Starts a server and waits until it accepts connections on `port` of 127.0.0.1. */
export async function startServer(
  argv: readonly string[],
  options: {readonly port: number; readonly logFile: string; readonly environment: Readonly<Record<string, string>>},
): Promise<ServerProcess> {
  const [program = '', ...args] = argv
  const log = await open(options.logFile, 'w')
  const child = spawn(program, args, {stdio: ['ignore', log.fd, log.fd], env: {...options.environment}})
  const failed = once(child, 'error').then(([error]: unknown[]) => error)
  await Promise.race([listening(child, options.port), failed.then((error) => Promise.reject(error))]).catch(async (error: unknown) => {
    child.kill('SIGKILL')
    await log.close()
    throw new Error(`cannot start "${program}": ${String(error)}; its log: ${(await readFile(options.logFile, 'utf8')).slice(-1_000)}`)
  })
  return {usage: () => usageOf(child), stop: () => stop(child, log)}
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    if (await accepts(port)) return
    await sleep(POLL_MS)
  }
  throw new Error(`it did not listen within ${START_TIMEOUT_MS / 1000} s`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

async function stop(child: ChildProcess, log: FileHandle): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }
  await log.close()
}

async function usageOf(child: ChildProcess): Promise<ServerUsage> {
  const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8')
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  // proc(5): after the name in parentheses, utime and stime are the 12th and 13th fields.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const peakKib = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1])
  return {cpuMs: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK, peakMemoryBytes: peakKib * 1024}
}
