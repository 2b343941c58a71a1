/** A command that goes on, such as `holdfast serve`, as a process whose end is looked at. */

import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {settlesWithin} from '../../src/lib/core/settle-within.ts'
import {spawnChild} from './child-process.ts'
import {assertEndedByItself, HOLDFAST_LAUNCHER, type Holdfast} from './holdfast.ts'
import {until} from './until.ts'

/** Far more than any command may take to end: with its grace for requests, and on a machine that is busy. */
const PATIENCE_MS = 45_000

interface EndedCommand {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface StartedCommand {
  /** The port that a server says it listens on with `--json`. @throws when it ends before. */
  listening(): Promise<number>
  /** Settles when it has said that on standard error. @throws when it ends before. */
  says(text: string): Promise<void>
  /** Settles when it has read so much from its standard input, which stays open; more than a pipe holds. */
  reads(text: string): Promise<void>
  kill(signal: NodeJS.Signals): void
  /** How it ended. @throws when it is still there after `PATIENCE_MS`, or had to be ended by the last resort. */
  ended(): Promise<EndedCommand>
}

/** Starts a command; its standard input has ended unless `isAsked`. */
export function startCommand(
  holdfast: Holdfast,
  args: readonly string[],
  {env = {}, isAsked = false}: {readonly env?: NodeJS.ProcessEnv; readonly isAsked?: boolean} = {},
): StartedCommand {
  const child = spawnChild(process.execPath, [HOLDFAST_LAUNCHER, ...args], {
    env: {...holdfast.env, ...env},
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.on('error', () => {})
  if (!isAsked) child.stdin.end()
  const said = {stdout: '', stderr: ''}
  child.stderr.on('data', (chunk: Buffer) => {
    said.stderr += chunk.toString()
  })
  child.stdout.on('data', (chunk: Buffer) => {
    said.stdout += chunk.toString()
  })
  const line = once(createInterface({input: child.stdout}), 'line')
  const closed = once(child, 'close')
  return {
    async listening() {
      const first = await Promise.race([line, closed.then(() => undefined)])
      const {result} = JSON.parse(String(first?.[0] ?? '{}')) as {result?: {url: string}}
      if (result === undefined) throw new Error(`it does not listen: ${said.stdout}${said.stderr}`)
      return Number(new URL(result.url).port)
    },
    async says(text) {
      let isOver = false
      void closed.then(() => {
        isOver = true
      })
      await until(async () => {
        if (said.stderr.includes(text)) return true
        if (isOver) throw new Error(`it ended: ${said.stdout}${said.stderr}`)
        return false
      }, PATIENCE_MS)
    },
    reads: (text) => new Promise((resolve) => child.stdin.write(text, () => resolve())),
    kill: (signal) => void child.kill(signal),
    async ended() {
      if (!(await settlesWithin(closed, PATIENCE_MS))) {
        child.kill('SIGKILL')
        throw new Error(`holdfast ${args.join(' ')} has not ended; it said: ${said.stdout}${said.stderr}`)
      }
      assertEndedByItself(args, said.stderr)
      return {exitCode: child.exitCode, signal: child.signalCode, ...said}
    },
  }
}
