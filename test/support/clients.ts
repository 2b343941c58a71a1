/** skopeo, podman and buildah with folders of their own: nothing of the machine is read or changed. */
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {type ProgramResult, run} from './run-program.ts'

export interface ContainerClients {
  /** The file that all of them read credentials from; empty at first. */
  readonly authFile: string
  /** Runs skopeo; never throws on its exit code. */
  skopeo(...args: readonly string[]): Promise<ProgramResult>
  /** Runs podman over a store of its own; never throws on its exit code. */
  podman(...args: readonly string[]): Promise<ProgramResult>
  /** Runs buildah over the same store; never throws on its exit code. */
  buildah(...args: readonly string[]): Promise<ProgramResult>
}

const INSECURE_POLICY = {default: [{type: 'insecureAcceptAnything'}]}

/** Sets both up below `directory`. `insecure` names registries that speak plain HTTP or have a certificate that nobody knows; `env` is for credential helpers. */
export async function createContainerClients(
  directory: string,
  options: {readonly insecure?: readonly string[]; readonly env?: NodeJS.ProcessEnv} = {},
): Promise<ContainerClients> {
  const home = join(directory, 'clients-home')
  // podman refuses a run root longer than 50 characters.
  const runtime = join(directory, 'run')
  await mkdir(join(home, '.config', 'containers'), {recursive: true})
  await mkdir(runtime, {recursive: true, mode: 0o700})
  const registries = join(home, 'registries.conf')
  const policy = join(home, '.config', 'containers', 'policy.json')
  const authFile = join(home, 'auth.json')
  const entries = (options.insecure ?? []).map((host) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`)
  await writeFile(registries, `unqualified-search-registries = []\n${entries.join('\n')}`)
  await writeFile(policy, JSON.stringify(INSECURE_POLICY))
  await writeFile(authFile, '{}')
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    XDG_DATA_HOME: join(home, 'data'),
    XDG_CONFIG_HOME: join(home, '.config'),
    CONTAINERS_REGISTRIES_CONF: registries,
    REGISTRY_AUTH_FILE: authFile,
    TMPDIR: process.env.TMPDIR,
    ...options.env,
  }
  const store = ['--root', join(home, 'storage'), '--runroot', join(runtime, 'p')]
  const podmanOptions = [...store, '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file']
  return {
    authFile,
    skopeo: (...args) => run('skopeo', ['--policy', policy, '--registries-conf', registries, '--tmpdir', runtime, ...args], {env}),
    buildah: (...args) => run('buildah', [...store, '--storage-driver', 'vfs', ...args], {env}),
    podman: (...args) => run('podman', [...podmanOptions, ...args], {env}),
  }
}
