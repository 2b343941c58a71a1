/** A genuine nginx around configurations as they were rendered: looked at with `-t`, then started. */
import {once} from 'node:events'
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {spawnChild} from './child-process.ts'
import {PATIENCE_MS} from './patience.ts'
import {findProgram} from './required-program.ts'
import {run} from './run-program.ts'

const POLL_MS = 50
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

export interface NginxOptions {
  /** Of its own: pid, log and temporary files are written there. */
  readonly directory: string
  /** What was rendered: a file for its http block. */
  readonly include: string
  /** Answers when it has started. */
  readonly url: string
}

export async function startNginx({directory, include, url}: NginxOptions): Promise<{stop(): Promise<void>}> {
  await mkdir(join(directory, 'logs'), {recursive: true})
  const main = join(directory, 'main.conf')
  const temporary = TEMPORARY.map((kind) => `  ${kind}_temp_path ${directory}/${kind};`)
  const http = ['  access_log off;', ...temporary, `  include ${include};`]
  await writeFile(main, `pid ${directory}/nginx.pid;\nerror_log ${directory}/logs/error.log;\nevents {}\nhttp {\n${http.join('\n')}\n}\n`)
  const nginx = findProgram('nginx') ?? 'nginx'
  const tested = await run(nginx, ['-t', '-c', main, '-p', directory])
  if (tested.exitCode !== 0) throw new Error(`nginx does not take ${include}: ${tested.stderr}`)
  const child = spawnChild(nginx, ['-c', main, '-p', directory, '-g', 'daemon off;'], {stdio: 'ignore'})
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) throw new Error(`nginx has ended by itself with ${child.exitCode}`)
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  for (const end = Date.now() + PATIENCE_MS; ; await sleep(POLL_MS)) {
    if ((await fetch(url).catch(() => undefined)) !== undefined) return {stop}
    if (Date.now() < end) continue
    await stop()
    throw new Error('nginx does not start')
  }
}
