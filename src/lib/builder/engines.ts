/** Other programs as engines of the builder: docker, podman or skopeo pull, tag and push; what they log in with is in a file of its own that is removed, and in no argument. */
import {execFile} from 'node:child_process'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import {promisify} from 'node:util'
import {HoldfastError} from '../core/errors.ts'
import {rememberSecrets} from '../core/known-secrets.ts'
import {excerpt} from '../core/redaction.ts'
import type {Secret} from '../core/secret.ts'
import type {RegistryHost} from '../oci/reference.ts'

const run = promisify(execFile)
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024
const MAX_REASON_CHARACTERS = 2_000
const HUB_KEY = 'https://index.docker.io/v1/'
const HUB_HOSTS = ['index.docker.io', 'docker.io', 'registry-1.docker.io']

type EngineKind = 'docker' | 'podman' | 'skopeo'

export interface EngineRequest {
  readonly program: string
  readonly source: string
  readonly target: string
  readonly isSourceInsecure: boolean
  readonly isTargetInsecure: boolean
  readonly login?: {readonly server: string; readonly username: string; readonly password: Secret} | undefined
  /** The image's own registry, which is shown the login whichever server it names. */
  readonly sourceRegistry: RegistryHost
  /** Told of each step. */
  readonly onStep: (step: 'pulled' | 'tagged' | 'pushing' | 'pushed') => void
  /** What those programs need to find their things. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal | undefined
}

/**
 * Copies an image with another program.
 * @throws {HoldfastError} UNSUPPORTED for a program that is none of them; NETWORK with what it said when it fails.
 */
export async function copyWithEngine(request: EngineRequest): Promise<void> {
  const {program, source, target, login, onStep, environment, signal} = request
  const kind = await engineOf(request)
  if (login !== undefined) rememberSecrets(login.password.reveal())
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-engine-'))
  try {
    // Also when nobody logs in: what the machine's users have is none of the builder's business.
    const config = join(folder, 'config.json')
    await writeFile(config, JSON.stringify({auths: login === undefined ? {} : authsOf(login, request.sourceRegistry)}), {mode: 0o600})
    const call = async (...args: readonly string[]): Promise<void> => {
      try {
        await run(program, [...args], {
          env: {...environment, DOCKER_CONFIG: folder, REGISTRY_AUTH_FILE: config},
          maxBuffer: MAX_OUTPUT_BYTES,
          ...(signal === undefined ? {} : {signal}),
        })
      } catch (cause) {
        const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : String(cause)
        const reason = excerpt(said.trim(), MAX_REASON_CHARACTERS)
        throw new HoldfastError('NETWORK', `cannot ${args[0]} "${target}" with ${basename(program)}: ${reason}`)
      }
    }
    if (kind === 'skopeo') {
      const verify = (side: string, isInsecure: boolean): string => `--${side}-tls-verify=${!isInsecure}`
      onStep('pulled')
      onStep('tagged')
      onStep('pushing')
      await call(
        'copy',
        '--all',
        verify('src', request.isSourceInsecure),
        verify('dest', request.isTargetInsecure),
        `docker://${source}`,
        `docker://${target}`,
      )
      onStep('pushed')
      return
    }
    const verify = (isInsecure: boolean): readonly string[] => (kind === 'podman' ? [`--tls-verify=${!isInsecure}`] : [])
    await call('pull', ...verify(request.isSourceInsecure), source)
    onStep('pulled')
    await call('tag', source, target)
    onStep('tagged')
    onStep('pushing')
    await call('push', ...verify(request.isTargetInsecure), target)
    onStep('pushed')
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

/** By its name, else by what it says of itself. */
async function engineOf({program, environment, signal}: EngineRequest): Promise<EngineKind> {
  const kinds = ['docker', 'podman', 'skopeo'] as const
  const named = kinds.find((kind) => basename(program).toLowerCase() === kind)
  if (named !== undefined && named !== 'docker') return named
  const {stdout} = await run(program, ['--version'], {env: environment, ...(signal === undefined ? {} : {signal})}).catch(() => ({
    stdout: '',
  }))
  // podman calls itself docker where that is what people type.
  const kind = kinds.toReversed().find((one) => stdout.toLowerCase().startsWith(one)) ?? named
  if (kind !== undefined) return kind
  throw new HoldfastError('UNSUPPORTED', `cannot use "${program}" as an engine: it is neither docker, podman nor skopeo`)
}

function authsOf({server, username, password}: NonNullable<EngineRequest['login']>, sourceRegistry: RegistryHost): object {
  const auth = Buffer.from(`${username}:${password.reveal()}`).toString('base64')
  const named = URL.canParse(server) && new URL(server).host !== '' ? new URL(server).host : server
  return Object.fromEntries([named, sourceRegistry].map((host) => [HUB_HOSTS.includes(host) ? HUB_KEY : host, {auth}]))
}
