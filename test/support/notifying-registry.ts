/** The genuine docker-registry with notifications, and who listens to them. */
import type {ChildProcess} from 'node:child_process'
import {writeFile} from 'node:fs/promises'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {spawnChild} from './child-process.ts'
import {PATIENCE_MS} from './patience.ts'
import {findProgram} from './required-program.ts'
import {runOk} from './run-program.ts'
import {createTemporaryDirectory} from './temporary-directory.ts'

const STOP_TIMEOUT_MS = 3_000

/** One POST of a registry. */
export interface Notification {
  readonly contentType: string | undefined
  readonly authorization: string | undefined
  readonly body: Buffer
}

export interface Listener {
  readonly url: string
  close(): Promise<void>
}

/** Listens on loopback; `answer` gives the status of each answer. */
export async function listenToNotifications(answer: (notification: Notification) => Promise<number>): Promise<Listener> {
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const {'content-type': contentType, authorization} = request.headers
    response.writeHead(await answer({contentType, authorization, body: Buffer.concat(chunks)})).end()
  }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: Error) => response.destroy(error))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export interface NotifyingRegistryOptions {
  /** Where it sends its notifications, with this `Authorization`. */
  readonly listener: {readonly url: string; readonly authorization: string}
  /** The folder of its content, which is the caller's; one of its own when absent. */
  readonly root?: string
  /** Accounts, asked for with HTTP Basic: name to password. */
  readonly accounts?: Readonly<Record<string, string>>
}

export interface NotifyingRegistry {
  readonly host: string
  readonly url: string
  readonly root: string
  stop(): Promise<void>
}

/** Starts a docker-registry on a free port of loopback; it allows deletes, and retries a notification after 200 ms. */
export async function startNotifyingRegistry({listener, root, accounts}: NotifyingRegistryOptions): Promise<NotifyingRegistry> {
  const program = findProgram('docker-registry')
  if (program === undefined) throw new Error('docker-registry is not installed')
  const scratch = await createTemporaryDirectory('notifying-registry')
  const content = root ?? join(scratch.path, 'content')
  const config = {
    version: 0.1,
    log: {level: 'info'},
    storage: {filesystem: {rootdirectory: content}, delete: {enabled: true}},
    http: {addr: '127.0.0.1:0'},
    ...(accounts === undefined ? {} : {auth: {htpasswd: {realm: 'test', path: await passwordFile(accounts, scratch.path)}}}),
    notifications: {
      endpoints: [
        {
          name: 'collector',
          url: listener.url,
          headers: {Authorization: [listener.authorization]},
          timeout: '500ms',
          threshold: 5,
          backoff: '200ms',
        },
      ],
    },
  }
  const file = join(scratch.path, 'config.yml')
  await writeFile(file, JSON.stringify(config))
  const child = spawnChild(program, ['serve', file], {env: {PATH: process.env.PATH}, stdio: ['ignore', 'ignore', 'pipe']})
  const stop = async (): Promise<void> => {
    await end(child)
    await scratch.remove()
  }
  try {
    const host = `127.0.0.1:${await listeningPort(child)}`
    return {host, url: `http://${host}`, root: content, stop}
  } catch (error) {
    await stop()
    throw error
  }
}

async function passwordFile(accounts: Readonly<Record<string, string>>, folder: string): Promise<string> {
  const lines = await Promise.all(
    Object.entries(accounts).map(([name, password]) => runOk('htpasswd', ['-niB', '-C', '4', name], {input: `${password}\n`})),
  )
  const file = join(folder, 'htpasswd')
  await writeFile(file, lines.map((line) => `${line.trim()}\n`).join(''))
  return file
}

function listeningPort({stderr}: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    if (stderr === null) return reject(new Error('docker-registry has no log'))
    const said: string[] = []
    const fail = (): void => {
      clearTimeout(timer)
      reject(new Error(`docker-registry did not start: ${said.join('\n')}`))
    }
    const timer = setTimeout(fail, PATIENCE_MS)
    const lines = createInterface({input: stderr})
    lines.once('close', fail)
    lines.on('line', (line) => {
      if (said.length < 50) said.push(line)
      const port = /listening on [^ "]*:([0-9]+)/.exec(line)?.[1]
      if (port === undefined) return
      clearTimeout(timer)
      resolve(Number(port))
    })
  })
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGTERM')
  })
}
