/** Where docker and podman keep credentials (containers-auth.json(5), docker's `DOCKER_CONFIG`). */
import {join} from 'node:path'

/** `config`: an object with `auths`, `credHelpers`, `credsStore`. `dockercfg`: docker's first format, the `auths` alone. */
export type DockerConfigFormat = 'config' | 'dockercfg'

export interface DockerConfigFile {
  readonly path: string
  readonly format: DockerConfigFormat
  /** The user named it by a variable of its own, so it must be possible to look for it. */
  readonly isChosen?: boolean
}

/** The environment variables that decide; an empty one counts as unset. */
export interface DockerConfigEnvironment {
  readonly REGISTRY_AUTH_FILE?: string | undefined
  readonly XDG_RUNTIME_DIR?: string | undefined
  readonly XDG_CONFIG_HOME?: string | undefined
  readonly DOCKER_CONFIG?: string | undefined
}

/** Who runs: decides the paths where the environment says nothing. */
export interface DockerConfigUser {
  readonly homeDirectory: string
  /** The numeric user id; undefined where there is none (Windows). */
  readonly uid?: number | undefined
}

/**
 * Lists the files that may hold credentials, in the order in which they are asked:
 * `$REGISTRY_AUTH_FILE`, podman's `containers/auth.json` of the session and of the user, docker's `config.json`, and `~/.dockercfg`.
 * None of them need exist.
 */
export function dockerConfigFiles(environment: DockerConfigEnvironment, user: DockerConfigUser): readonly DockerConfigFile[] {
  const {homeDirectory, uid} = user
  const runtimeDirectory = environment.XDG_RUNTIME_DIR || (uid === undefined ? undefined : join('/run/containers', String(uid)))
  const sessionFile = environment.XDG_RUNTIME_DIR ? join('containers', 'auth.json') : 'auth.json'
  const paths = [
    environment.REGISTRY_AUTH_FILE || undefined,
    runtimeDirectory === undefined ? undefined : join(runtimeDirectory, sessionFile),
    join(environment.XDG_CONFIG_HOME || join(homeDirectory, '.config'), 'containers', 'auth.json'),
    join(environment.DOCKER_CONFIG || join(homeDirectory, '.docker'), 'config.json'),
  ]
  const chosen = [environment.REGISTRY_AUTH_FILE, environment.DOCKER_CONFIG && join(environment.DOCKER_CONFIG, 'config.json')]
  const configs = [...new Set(paths.filter((path) => path !== undefined))]
  return [
    ...configs.map((path): DockerConfigFile => ({path, format: 'config', isChosen: chosen.includes(path)})),
    {path: join(homeDirectory, '.dockercfg'), format: 'dockercfg'},
  ]
}
