/** The credentials that docker and podman keep. Reads only; their files are never written. */
import type {RegistryCredential} from '../../content/remote/endpoint.ts'
import {HoldfastError} from '../../core/errors.ts'
import type {RegistryHost, RepositoryName} from '../../oci/reference.ts'
import type {CredentialSource} from '../lookup.ts'
import {decodeAuthEntry} from './auth-entry.ts'
import {type DockerConfig, malformed, readDockerConfig} from './config-file.ts'
import {askHelper, type HelperEnvironment, isHelperName} from './helper.ts'
import type {DockerConfigFile} from './paths.ts'
import {matchRegistryKeys} from './registry-key.ts'

/** A helper that a file names and that was not run; what an error report may say beside "unauthenticated". */
export interface SkippedHelper {
  readonly helper: string
  /** The file that names it. */
  readonly path: string
  readonly registry: RegistryHost
  /** `not-allowed`: the user did not allow it by name. `invalid-name`: it is no name of a program and cannot be allowed. */
  readonly reason: 'not-allowed' | 'invalid-name'
}

export interface DockerConfigOptions {
  /** Asked in this order. */
  readonly files: readonly DockerConfigFile[]
  /** Names (without `docker-credential-`) of the helpers that may be run: a file alone must not decide which programs we start. */
  readonly allowedHelpers: readonly string[]
  readonly helperEnvironment: HelperEnvironment
  readonly helperTimeoutMs?: number
  /** Told of each helper that was not run, once for every registry. */
  readonly onSkippedHelper?: (skipped: SkippedHelper) => void
  /** Told of each entry of `auths` that cannot hold credentials, once for every registry. */
  readonly onAbsurdEntry?: (entry: {readonly path: string; readonly registry: RegistryHost}) => void
}

/**
 * Makes a source that asks the files in their order and, in each, as docker does, the helper that keeps the registry's credentials (its own of `credHelpers`,
 * else `credsStore`) and then the entries of `auths`, the longest path first. Each file is read once, when the first question comes.
 *
 * Its `find` rejects with CONFIGURATION when a file cannot be read, the entry that applies is malformed, or an allowed helper fails.
 * @throws {HoldfastError} CONFIGURATION when an allowed helper's name is not letters, digits, `.`, `_` and `-`.
 */
export function createDockerConfigSource(options: DockerConfigOptions): CredentialSource {
  const invalidName = options.allowedHelpers.find((name) => !isHelperName(name))
  if (invalidName !== undefined) {
    throw new HoldfastError('CONFIGURATION', `cannot allow credential helper "${invalidName}": a name has letters, digits, and . _ -`, {
      hints: ['secretservice  # means the program docker-credential-secretservice'],
    })
  }
  const reported = new Set<string>()
  let configs: Promise<readonly DockerConfig[]> | undefined

  const askIfAllowed = async (helper: string, path: string, registry: RegistryHost): Promise<RegistryCredential | undefined> => {
    if (options.allowedHelpers.includes(helper)) {
      const {helperEnvironment: environment, helperTimeoutMs: timeoutMs} = options
      return askHelper(helper, registry, {environment, ...(timeoutMs === undefined ? {} : {timeoutMs})})
    }
    const key = JSON.stringify([helper, path, registry])
    if (!reported.has(key)) {
      reported.add(key)
      options.onSkippedHelper?.({helper, path, registry, reason: isHelperName(helper) ? 'not-allowed' : 'invalid-name'})
    }
    return undefined
  }

  const onAbsurdEntry = (path: string, registry: RegistryHost): void => {
    const key = JSON.stringify([path, registry])
    if (reported.has(key)) return
    reported.add(key)
    options.onAbsurdEntry?.({path, registry})
  }

  const findIn = async (config: DockerConfig, registry: RegistryHost, repository: RepositoryName | undefined) => {
    const helper = helperFor(config, registry)
    const kept = helper === undefined ? undefined : await askIfAllowed(helper, config.path, registry)
    return kept ?? findStored(config, registry, repository, onAbsurdEntry)
  }

  return {
    async find(registry, repository) {
      configs ??= readConfigs(options.files)
      for (const config of await configs) {
        const credential = await findIn(config, registry, repository)
        if (credential !== undefined) return credential
      }
      return undefined
    },
  }
}

async function readConfigs(files: readonly DockerConfigFile[]): Promise<readonly DockerConfig[]> {
  const configs = await Promise.all(files.map(readDockerConfig))
  return configs.filter((config) => config !== undefined)
}

/** The registry's own helper, else the one for everything; an empty own one turns the latter off. Keys with a path never match: helpers know registries. */
function helperFor(config: DockerConfig, registry: RegistryHost): string | undefined {
  const [key] = matchRegistryKeys(Object.keys(config.credHelpers), registry, undefined)
  const own = key === undefined ? undefined : config.credHelpers[key]
  return (own ?? config.credsStore) || undefined
}

function findStored(
  config: DockerConfig,
  registry: RegistryHost,
  repository: RepositoryName | undefined,
  onAbsurdEntry: (path: string, registry: RegistryHost) => void,
): RegistryCredential | undefined {
  for (const key of matchRegistryKeys(Object.keys(config.auths), registry, repository)) {
    const decoded = decodeAuthEntry(config.auths[key])
    if (decoded.kind === 'malformed') throw malformed(config.path, `its entry for "${registry}" is malformed`)
    if (decoded.kind === 'absurd') onAbsurdEntry(config.path, registry)
    if (decoded.kind === 'found') return decoded.credential
  }
  return undefined
}
