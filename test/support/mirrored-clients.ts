/** The container clients that pull through a mirror, each set up for it as docs/mirror.md says, with folders of their own. containerd and dockerd are for root only. */
import {once} from 'node:events'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {spawnChild} from './child-process.ts'
import {run, runOk} from './run-program.ts'
import {until} from './until.ts'

interface MirroredRegistries {
  /** `127.0.0.1:port` */
  readonly mirror: string
  /** Registries that the client is told to ask the mirror for; the first one is what dockerd takes for Docker Hub. */
  readonly hosts: readonly [string, ...string[]]
}

export interface MirroredClient {
  /** Pulls an image, `library/web:v1`, of a registry through the mirror, into its own store; returns the digest. @throws when it cannot */
  pull(host: string, image: string): Promise<string>
  /** The same, without the mirror. */
  pullDirectly(host: string, image: string): Promise<string>
  stop(): Promise<void>
}

export type StartClient = (directory: string, registries: MirroredRegistries) => Promise<MirroredClient>

export const CLIENT_NAMES = ['skopeo', 'podman', 'containerd', 'dockerd'] as const
export type ClientName = (typeof CLIENT_NAMES)[number]

const DIGEST = /sha256:[0-9a-f]{64}/
/** Nothing listens there: what a client asks for beyond this machine fails. */
const NOWHERE = 'http://127.0.0.1:1'
const NAMESPACE = 'test'

/** How each is started, with an empty store. */
export const START_CLIENT: Readonly<Record<ClientName, StartClient>> = {
  skopeo: startSkopeo,
  podman: startPodman,
  containerd: startContainerd,
  dockerd: startDockerd,
}

/** What of a text names a digest first. */
function digestIn(text: string): string {
  const [digest] = DIGEST.exec(text) ?? []
  if (digest === undefined) throw new Error(`there is no digest in "${text}"`)
  return digest
}

/** skopeo, with an OCI layout as its store: what it has there it does not ask for. */
async function startSkopeo(directory: string, registries: MirroredRegistries): Promise<MirroredClient> {
  const settings = await writeContainersSettings(directory, registries)
  const pull = async (configuration: string, reference: string): Promise<string> => {
    const digestFile = join(directory, 'digest')
    const flags = ['--policy', settings.policy, '--registries-conf', configuration, '--tmpdir', settings.runtime]
    const store = `oci:${join(directory, 'layout')}:${reference.split('/').at(-1)?.replace(':', '-')}`
    await runOk('skopeo', [...flags, 'copy', '--digestfile', digestFile, `docker://${reference}`, store], {env: settings.env})
    return digestIn(await readFile(digestFile, 'utf8'))
  }
  return {
    pull: (host, image) => pull(settings.mirrored, `${host}/${image}`),
    pullDirectly: (host, image) => pull(settings.direct, `${host}/${image}`),
    stop: async () => {},
  }
}

async function startPodman(directory: string, registries: MirroredRegistries): Promise<MirroredClient> {
  const settings = await writeContainersSettings(directory, registries)
  const store = ['--root', join(directory, 'storage'), '--runroot', join(settings.runtime, 'p'), '--storage-driver', 'vfs']
  const flags = [...store, '--cgroup-manager', 'cgroupfs', '--events-backend', 'file']
  const pull = async (configuration: string, reference: string): Promise<string> => {
    const env = {...settings.env, CONTAINERS_REGISTRIES_CONF: configuration}
    await runOk('podman', [...flags, 'pull', '--quiet', '--signature-policy', settings.policy, reference], {env})
    return digestIn(await runOk('podman', [...flags, 'image', 'inspect', '--format', '{{.Digest}}', reference], {env}))
  }
  return {
    pull: (host, image) => pull(settings.mirrored, `${host}/${image}`),
    pullDirectly: (host, image) => pull(settings.direct, `${host}/${image}`),
    stop: async () => {},
  }
}

interface ContainersSettings {
  /** A `registries.conf` with the mirror, and one without. */
  readonly mirrored: string
  readonly direct: string
  readonly policy: string
  readonly runtime: string
  readonly env: NodeJS.ProcessEnv
}

/** Settings of skopeo and podman. They say by the path which registry they mean; a path has no colon. */
async function writeContainersSettings(directory: string, {mirror, hosts}: MirroredRegistries): Promise<ContainersSettings> {
  // podman refuses a run root longer than 50 characters.
  const runtime = join(directory, 'r')
  await mkdir(runtime, {recursive: true, mode: 0o700})
  const at = (name: string): string => join(directory, name)
  const registry = (host: string): string => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`
  const through = (host: string): string => `[[registry.mirror]]\nlocation = "${mirror}/${host.replace(':', '_')}"\ninsecure = true\n`
  await writeFile(at('mirrored.conf'), hosts.map((host) => registry(host) + through(host)).join(''))
  await writeFile(at('direct.conf'), hosts.map(registry).join(''))
  await writeFile(at('policy.json'), JSON.stringify({default: [{type: 'insecureAcceptAnything'}]}))
  await writeFile(at('auth.json'), '{}')
  const env = {PATH: process.env.PATH, HOME: directory, XDG_RUNTIME_DIR: runtime, REGISTRY_AUTH_FILE: at('auth.json')}
  return {mirrored: at('mirrored.conf'), direct: at('direct.conf'), policy: at('policy.json'), runtime, env}
}

/** containerd says with `ns=` which registry it means. */
async function startContainerd(directory: string, {mirror, hosts}: MirroredRegistries): Promise<MirroredClient> {
  const at = (name: string): string => join(directory, name)
  for (const host of hosts) {
    await mkdir(at(`certs.d/${host}`), {recursive: true})
    await writeFile(
      at(`certs.d/${host}/hosts.toml`),
      `server = "http://${host}"\n[host."http://${mirror}"]\n  capabilities = ["pull", "resolve"]\n`,
    )
  }
  const unused = ['internal.v1.opt', 'grpc.v1.cri', ...['aufs', 'btrfs', 'devmapper', 'zfs'].map((name) => `snapshotter.v1.${name}`)]
  await writeFile(
    at('config.toml'),
    `version = 2
root = "${at('root')}"
state = "${at('state')}"
disabled_plugins = [${unused.map((name) => `"io.containerd.${name}"`).join(', ')}]
[grpc]
  address = "${at('s')}"
`,
  )
  const daemon = startDaemon('containerd', ['--config', at('config.toml'), '--log-level', 'warn'])
  const ctr = (...args: readonly string[]) => run('ctr', ['--address', at('s'), '--namespace', NAMESPACE, ...args])
  await until(async () => {
    daemon.assertRunning()
    return (await ctr('version')).exitCode === 0
  })
  const pull = async (flags: readonly string[], reference: string): Promise<string> => {
    const {exitCode, stdout, stderr} = await ctr('images', 'pull', '--snapshotter', 'native', ...flags, reference)
    if (exitCode !== 0) throw new Error(`ctr images pull ended with ${exitCode}: ${stderr}${stdout}`)
    return digestIn((await ctr('images', 'list', `name==${reference}`)).stdout)
  }
  return {
    pull: (host, image) => pull(['--hosts-dir', at('certs.d')], `${host}/${image}`),
    pullDirectly: (host, image) => pull(['--plain-http'], `${host}/${image}`),
    stop: daemon.stop,
  }
}

/** dockerd asks a mirror for images of Docker Hub alone, and cannot say that it means those. */
async function startDockerd(directory: string, {mirror, hosts}: MirroredRegistries): Promise<MirroredClient> {
  const at = (name: string): string => join(directory, name)
  const [hub] = hosts
  const socket = `unix://${at('s')}`
  await writeFile(
    at('daemon.json'),
    JSON.stringify({
      'data-root': at('data'),
      'exec-root': at('exec'),
      pidfile: at('pid'),
      hosts: [socket],
      'storage-driver': 'vfs',
      iptables: false,
      ip6tables: false,
      bridge: 'none',
      'ip-forward': false,
      'ip-masq': false,
      'registry-mirrors': [`http://${mirror}`],
    }),
  )
  const env = {PATH: process.env.PATH, HOME: directory, HTTPS_PROXY: NOWHERE, HTTP_PROXY: NOWHERE, NO_PROXY: '127.0.0.1'}
  const daemon = startDaemon('dockerd', ['--config-file', at('daemon.json')], env)
  const client = {PATH: process.env.PATH, HOME: directory, DOCKER_HOST: socket}
  const docker = (...args: readonly string[]) => run('docker', args, {env: client})
  await until(async () => {
    daemon.assertRunning()
    return (await docker('version')).exitCode === 0
  })
  const pull = async (reference: string): Promise<string> => {
    const {exitCode, stdout, stderr} = await docker('pull', reference)
    if (exitCode !== 0) throw new Error(`docker pull ended with ${exitCode}: ${stderr}${stdout}`)
    return digestIn(stdout)
  }
  return {
    pull: (host, image) => pull(host === hub ? `docker.io/${image}` : `${host}/${image}`),
    pullDirectly: (host, image) => pull(`${host}/${image}`),
    stop: async () => {
      await daemon.stop()
      // It mounts its own folder.
      await run('umount', [at('data')])
    },
  }
}

interface Daemon {
  /** @throws with the end of what it has said, when it has ended. */
  assertRunning(): void
  stop(): Promise<void>
}

const MAX_LOG_CHARACTERS = 2_000

function startDaemon(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Daemon {
  const child = spawnChild(program, args, {env, stdio: ['ignore', 'ignore', 'pipe']})
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-MAX_LOG_CHARACTERS)
  })
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  return {
    assertRunning() {
      if (hasEnded()) throw new Error(`${program} ended with ${child.exitCode ?? child.signalCode}: ${log}`)
    },
    async stop() {
      if (hasEnded()) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}
