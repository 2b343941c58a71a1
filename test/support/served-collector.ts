/** `holdfast serve --authenticate` as a process, and the commands that fill its collector. */

import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {spawnChild} from './child-process.ts'
import {HOLDFAST_LAUNCHER, type Holdfast} from './holdfast.ts'
import {PATIENCE_MS} from './patience.ts'

export interface ServedCollector {
  /** `127.0.0.1:port` */
  readonly host: string
  readonly url: string
  readonly pid: number
  /** Ends it with SIGTERM; answers its exit code. */
  stop(): Promise<number | null>
  /** Ends it with SIGKILL. */
  kill(): Promise<void>
}

/** Serves the collector of a user, with its embedded registry, on a free port of loopback; the registry alone, open to this machine, when told so. */
export async function serveCollector(
  holdfast: Holdfast,
  args: readonly string[] = [],
  {authenticate = true}: {readonly authenticate?: boolean} = {},
): Promise<ServedCollector> {
  const all = [
    'serve',
    ...(authenticate ? ['--authenticate'] : []),
    '--json',
    ...(args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0']),
    ...args,
  ]
  const child = spawnChild(process.execPath, [HOLDFAST_LAUNCHER, ...all], {env: holdfast.env, stdio: ['ignore', 'pipe', 'inherit']})
  const [line] = await once(createInterface({input: child.stdout}), 'line', {signal: AbortSignal.timeout(PATIENCE_MS)})
  const {result} = JSON.parse(line) as {result: {registry: string; url: string}}
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await once(child, 'exit')
    }
    return child.exitCode
  }
  return {
    host: result.registry,
    url: result.url,
    pid: child.pid ?? 0,
    stop: () => end('SIGTERM'),
    kill: async () => {
      await end('SIGKILL')
    },
  }
}

/** Runs a command that must succeed; answers its result. */
export async function command(holdfast: Holdfast, args: readonly string[], input?: string): Promise<unknown> {
  const {exitCode, stdout, stderr, envelope} = await holdfast.json(args, input === undefined ? {} : {input})
  if (exitCode !== 0) throw new Error(`holdfast ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`)
  return envelope.result
}
