/** An image of an OCI layout, unpacked and run as container runtimes run it: with a read-only root, as its user, with a volume where it wants one. For root only. */
import type {ChildProcessByStdio} from 'node:child_process'
import {once} from 'node:events'
import {chmod, chown, mkdir, readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import type {Readable} from 'node:stream'
import {spawnChild} from './child-process.ts'
import {type ProgramResult, runOk} from './run-program.ts'
import {until} from './until.ts'

interface ImageConfig {
  readonly os: string
  readonly architecture: string
  readonly created: string
  readonly config: {
    readonly User: string
    readonly Env: readonly string[]
    readonly Entrypoint: readonly string[]
    readonly Volumes: Readonly<Record<string, object>>
    readonly Labels: Readonly<Record<string, string>>
  }
  readonly rootfs: {readonly diff_ids: readonly string[]}
  readonly history: readonly {readonly comment: string; readonly created: string}[]
}

interface Described {
  readonly digest: string
}

export interface LayoutImage {
  readonly config: ImageConfig
  /** The files of its layers, lowest first. */
  readonly layerFiles: readonly string[]
}

export interface UnpackedImage {
  readonly config: ImageConfig
  readonly root: string
}

/** Reads what the only index of a layout has for an architecture. */
export async function readImage(layout: string, architecture: string): Promise<LayoutImage> {
  const fileOf = ({digest}: Described): string => join(layout, 'blobs', digest.replace(':', '/'))
  const read = async (file: string) => JSON.parse(await readFile(file, 'utf8'))
  const [tagged] = (await read(join(layout, 'index.json'))).manifests
  const platforms: readonly (Described & {readonly platform: {readonly architecture: string}})[] = (await read(fileOf(tagged))).manifests
  const found = platforms.find(({platform}) => platform.architecture === architecture)
  if (found === undefined) throw new Error(`${layout} has no image for ${architecture}`)
  const manifest: {readonly config: Described; readonly layers: readonly Described[]} = await read(fileOf(found))
  return {config: await read(fileOf(manifest.config)), layerFiles: manifest.layers.map(fileOf)}
}

/** Unpacks the layers one over the other into `root`, with the owners that they name if root does it. */
export async function unpackImage({config, layerFiles}: LayoutImage, root: string): Promise<UnpackedImage> {
  await mkdir(root, {recursive: true})
  for (const file of layerFiles) await runOk('tar', ['--extract', '--gzip', '--numeric-owner', '--file', file, '--directory', root])
  return {config, root}
}

export interface ContainerOptions {
  /** `uid:gid`, as `--user` of docker; the image's unless said. */
  readonly user?: string
  /** Instead of the image's. */
  readonly entrypoint?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A folder of this machine, for the image's volume; becomes the user's. */
  readonly volume: string
  /** A file of this machine that stands in the place of one of the image: its path there, and here. */
  readonly mount?: readonly [string, string]
  /** With nothing but a loopback of its own. */
  readonly isolated?: boolean
}

export interface Container {
  readonly stdout: Readable
  /** What it has said on standard error. */
  errors(): string
  /** Sends a signal to its first process, which has the id 1 for itself. */
  signal(name: NodeJS.Signals): Promise<void>
  /** Runs a program of this machine in its network. */
  inside(program: string, ...args: readonly string[]): Promise<string>
  ended(): Promise<Pick<ProgramResult, 'exitCode' | 'signal'>>
}

/** ROOT USER VOLUME VOLUME_PATH MOUNTED MOUNT_PATH PROGRAM ARGUMENT…; the environment is that of the container. */
const START = `set -e
root=$1 user=$2 volume=$3 volume_path=$4 mounted=$5 mount_path=$6
shift 6
system=/usr/sbin:/usr/bin:/sbin:/bin
container=$PATH
PATH=$system
[ "$ISOLATED" = no ] || ip link set lo up
unset ISOLATED
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --bind "$volume" "$root$volume_path"
[ -z "$mounted" ] || mount --bind "$mounted" "$root$mount_path"
PATH=$container
exec /usr/sbin/chroot --userspec="$user" --groups= "$root" "$@"`

/** Starts the image with these arguments. */
export function startContainer({config, root}: UnpackedImage, args: readonly string[], options: ContainerOptions): Container {
  const {Entrypoint, Env, User, Volumes} = config.config
  const {user = User, entrypoint = Entrypoint, env = {}, mount = ['', ''], isolated = false, volume} = options
  const [path] = Object.keys(Volumes)
  if (path === undefined) throw new Error('the image has no volume')
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', ...(isolated ? ['--net'] : [])]
  const start = [root, user, volume, path, mount[1], mount[0], ...entrypoint, ...args]
  const variables = Object.fromEntries(Env.map((entry) => entry.split(/=(.*)/s, 2)))
  const child: ChildProcessByStdio<null, Readable, Readable> = spawnChild(
    '/usr/bin/unshare',
    [...namespaces, '/bin/sh', '-c', START, 'start', ...start],
    {env: {...variables, ...env, ISOLATED: isolated ? 'yes' : 'no'}, stdio: ['ignore', 'pipe', 'pipe']},
  )
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const closed = once(child, 'close')
  const firstProcess = async (): Promise<string> => {
    const list = `/proc/${child.pid}/task/${child.pid}/children`
    let found = ''
    await until(async () => {
      found = (await readFile(list, 'utf8')).trim()
      return found !== ''
    })
    return found
  }
  return {
    stdout: child.stdout,
    errors: () => said,
    signal: async (name) => {
      process.kill(Number(await firstProcess()), name)
    },
    inside: async (program, ...words) => await runOk('nsenter', ['--target', await firstProcess(), '--net', program, ...words]),
    ended: async () => {
      await closed
      return {exitCode: child.exitCode, signal: child.signalCode}
    },
  }
}

/** Makes a volume for a user, with the mode of the image's folder, as container runtimes do. */
export async function createVolume({config, root}: UnpackedImage, folder: string, user = config.config.User): Promise<string> {
  const [path = '/'] = Object.keys(config.config.Volumes)
  await mkdir(folder, {recursive: true})
  await chmod(folder, (await stat(join(root, path))).mode)
  const [uid, gid] = user.split(':').map(Number)
  await chown(folder, uid ?? 0, gid ?? 0)
  return folder
}

/** Runs the image with these arguments to its end. */
export async function runContainer(image: UnpackedImage, args: readonly string[], options: ContainerOptions): Promise<ProgramResult> {
  const container = startContainer(image, args, options)
  let stdout = ''
  container.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  const end = await container.ended()
  return {...end, stdout, stderr: container.errors()}
}
