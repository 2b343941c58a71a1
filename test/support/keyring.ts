/**
 * A desktop session of its own for one test: a private message bus with gnome-keyring as the Secret Service, in one of the states that users meet.
 * Nothing of it touches the machine's own session or keyrings.
 */
import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, writeFile} from 'node:fs/promises'
import {createServer, type Server, type Socket} from 'node:net'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {spawnChild} from './child-process.ts'
import {run, runOk} from './run-program.ts'

/** The password of the login keyring. */
const KEYRING_PASSWORD = 'keyring'
const READY_TIMEOUT_MS = 10_000

export interface DesktopSession {
  /** What a program of the session has in its environment. */
  readonly env: NodeJS.ProcessEnv
  stop(): Promise<void>
}

/**
 * - `unlocked`: as after a login on a desktop;
 * - `locked`: the login keyring is there and closed, and the dialog that would open it cannot be shown;
 * - `unanswered`: it is closed, and the dialog is shown to nobody;
 * - `absent`: a message bus without any Secret Service;
 * - `silent`: a Secret Service that never answers.
 */
export type KeyringState = 'unlocked' | 'locked' | 'unanswered' | 'absent' | 'silent'

/** Starts a session below `home`, which keeps its keyrings from one session to the next. */
export async function startDesktopSession(home: string, state: KeyringState): Promise<DesktopSession> {
  const env = await prepare(home, state)
  const bus = spawnChild('dbus-daemon', [`--config-file=${join(home, 'bus.conf')}`, '--nofork', '--print-address=1'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [address] = await once(createInterface({input: bus.stdout}), 'line', {signal: AbortSignal.timeout(READY_TIMEOUT_MS)})
  const session = {...env, DBUS_SESSION_BUS_ADDRESS: String(address)}
  const service = await startSecretService(session, state)
  return {
    env: session,
    stop: async () => {
      for (const child of [service, bus]) if (child !== undefined) await end(child)
    },
  }
}

/** A message bus that takes connections and never says a word; its address is in `env`. */
export async function startDeadBus(home: string): Promise<DesktopSession> {
  const env = await prepare(home, 'absent')
  const path = join(home, 'bus')
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => sockets.add(socket.on('error', () => {})))
  server.listen(path)
  await once(server, 'listening')
  return {
    env: {...env, DBUS_SESSION_BUS_ADDRESS: `unix:path=${path}`},
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

async function prepare(home: string, state: KeyringState): Promise<NodeJS.ProcessEnv> {
  const runtime = join(home, 'runtime')
  const data = join(home, '.local', 'share')
  await mkdir(runtime, {recursive: true, mode: 0o700})
  await mkdir(join(data, 'keyrings'), {recursive: true})
  const services = join(home, 'services', state)
  await mkdir(services, {recursive: true})
  // Started by the bus in place of the program that asks for passwords, it asks nobody.
  if (state === 'unanswered') {
    const prompter = '[D-BUS Service]\nName=org.gnome.keyring.SystemPrompter\nExec=/bin/sleep 60\n'
    await writeFile(join(services, 'prompter.service'), prompter)
  }
  await writeFile(join(home, 'bus.conf'), busConfiguration(services))
  return {
    PATH: process.env.PATH,
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    XDG_DATA_HOME: data,
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_CACHE_HOME: join(home, '.cache'),
  }
}

/** A bus that starts nothing by itself but what lies in `services`; the machine's own services stay out. */
function busConfiguration(services: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <servicedir>${services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`
}

async function startSecretService(env: NodeJS.ProcessEnv, state: KeyringState): Promise<ChildProcess | undefined> {
  if (state === 'absent') return undefined
  if (state === 'silent') {
    const hole = spawnChild('dbus-test-tool', ['black-hole', '--name=org.freedesktop.secrets'], {env, stdio: 'ignore'})
    await waitForSecretService(env)
    return hole
  }
  const flags = state === 'unlocked' ? ['--unlock'] : []
  const keyring = spawnChild('gnome-keyring-daemon', ['--foreground', '--components=secrets', ...flags], {
    env,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  keyring.stdin?.on('error', () => {})
  keyring.stdin?.end(state === 'unlocked' ? KEYRING_PASSWORD : '')
  await waitForSecretService(env)
  return keyring
}

async function waitForSecretService(env: NodeJS.ProcessEnv): Promise<void> {
  const ask = [
    '--session',
    '--print-reply',
    '--dest=org.freedesktop.DBus',
    '/',
    'org.freedesktop.DBus.NameHasOwner',
    'string:org.freedesktop.secrets',
  ]
  for (const end = Date.now() + READY_TIMEOUT_MS; Date.now() < end; ) {
    if ((await runOk('dbus-send', ask, {env})).includes('boolean true')) return
    await run('sleep', ['0.02'])
  }
  throw new Error('no Secret Service has come up')
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
