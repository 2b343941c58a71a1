/** The genuine containerd and dockerd, with folders of their own: nothing of the machine is read or changed. Both need root. */
import {mkdir, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {spawnChild} from './child-process.ts'
import {findProgram} from './required-program.ts'
import {type ProgramResult, run} from './run-program.ts'
import {until} from './until.ts'

export interface ContainerDaemon {
  /** Pulls `HOST/REPOSITORY:TAG` through the mirror, or directly; never throws on the exit code. */
  pull(image: string, way: 'mirrored' | 'direct'): Promise<ProgramResult>
  stop(): Promise<void>
}

export interface DaemonOptions {
  /** A folder that is made, and removed at the end. */
  readonly directory: string
  readonly mirrorUrl: string
  /** `127.0.0.1:port` of what is mirrored. */
  readonly origin: string
}

/** What runs as a daemon, until it is told to end. */
async function startDaemon(program: string, args: readonly string[], isUp: () => Promise<boolean>): Promise<() => Promise<void>> {
  const child = spawnChild(findProgram(program) ?? program, args, {stdio: 'ignore'})
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const end = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
  }
  try {
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`)
      return await isUp()
    })
    return end
  } catch (error) {
    await end()
    throw error
  }
}

export async function startContainerd({directory, mirrorUrl, origin}: DaemonOptions): Promise<ContainerDaemon> {
  const file = (name: string): string => join(directory, name)
  const socket = file('c.sock')
  const hosts = {mirrored: file('mirrored'), direct: file('direct')}
  for (const [folder, url] of [
    [hosts.mirrored, mirrorUrl],
    [hosts.direct, `http://${origin}`],
  ] as const) {
    await mkdir(join(folder, origin), {recursive: true})
    // Without its mirror it must not go on to the origin: that would hide what the mirror lacks.
    await writeFile(join(folder, origin, 'hosts.toml'), `server = "${url}"\n[host."${url}"]\n  capabilities = ["pull", "resolve"]\n`)
  }
  const disabled = [
    'io.containerd.grpc.v1.cri',
    ...['btrfs', 'zfs', 'devmapper', 'aufs'].map((name) => `io.containerd.snapshotter.v1.${name}`),
  ]
  await writeFile(
    file('config.toml'),
    [
      'version = 2',
      `root = "${file('root')}"`,
      `state = "${file('state')}"`,
      `disabled_plugins = ${JSON.stringify(disabled)}`,
      `[grpc]\n  address = "${socket}"`,
      `[ttrpc]\n  address = "${file('t.sock')}"`,
    ].join('\n'),
  )
  const ctr = (...args: readonly string[]): Promise<ProgramResult> => run('ctr', ['--address', socket, ...args])
  const stop = await startDaemon('containerd', ['--config', file('config.toml')], async () => (await ctr('version')).exitCode === 0)
  return {
    pull: (image, way) => ctr('image', 'pull', '--snapshotter', 'native', '--platform', 'linux/amd64', '--hosts-dir', hosts[way], image),
    stop: async () => {
      await stop()
      await rm(directory, {recursive: true, force: true})
    },
  }
}

/** It mirrors Docker Hub alone: an image is named as there when it is to come through the mirror. */
export async function startDockerd({directory, mirrorUrl, origin}: DaemonOptions): Promise<ContainerDaemon> {
  const file = (name: string): string => join(directory, name)
  await mkdir(directory, {recursive: true})
  const socket = `unix://${file('d.sock')}`
  await writeFile(
    file('daemon.json'),
    JSON.stringify({
      'data-root': file('data'),
      'exec-root': file('exec'),
      pidfile: file('pid'),
      hosts: [socket],
      'storage-driver': 'vfs',
      iptables: false,
      ip6tables: false,
      bridge: 'none',
      'ip-forward': false,
      'ip-masq': false,
      'insecure-registries': [origin],
      'registry-mirrors': [mirrorUrl],
    }),
  )
  const docker = (...args: readonly string[]): Promise<ProgramResult> => run('docker', ['--host', socket, ...args])
  const stop = await startDaemon('dockerd', ['--config-file', file('daemon.json')], async () => (await docker('version')).exitCode === 0)
  return {
    pull: (image, way) => docker('pull', '--quiet', way === 'direct' ? image : image.replace(`${origin}/`, '')),
    stop: async () => {
      await stop()
      await run('umount', [file('data')])
      await rm(directory, {recursive: true, force: true})
    },
  }
}
