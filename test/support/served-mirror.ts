/** `holdfast mirror serve` as a process. */
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {spawnChild} from './child-process.ts'
import {HOLDFAST_LAUNCHER, type Holdfast} from './holdfast.ts'
import {PATIENCE_MS} from './patience.ts'

export interface ServedMirror {
  readonly url: string
  /** `127.0.0.1:port` */
  readonly host: string
  stop(): Promise<number | null>
  kill(): Promise<void>
}

export async function serveMirror(holdfast: Holdfast, args: readonly string[]): Promise<ServedMirror> {
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0']
  const child = spawnChild(process.execPath, [HOLDFAST_LAUNCHER, 'mirror', 'serve', '--json', ...listen, ...args], {
    env: holdfast.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({input: child.stdout}), 'line', {signal: AbortSignal.timeout(PATIENCE_MS)})
  const {url} = (JSON.parse(line) as {result: {url: string}}).result
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await once(child, 'exit')
    }
    return child.exitCode
  }
  return {
    url,
    host: new URL(url).host,
    stop: () => end('SIGTERM'),
    kill: async () => {
      await end('SIGKILL')
    },
  }
}
