/** Where Holdfast keeps what it remembers. */
import {isAbsolute, join, resolve} from 'node:path'

export interface DataDirectoryEnvironment {
  readonly XDG_DATA_HOME?: string | undefined
  readonly LOCALAPPDATA?: string | undefined
}

/**
 * The data directory as an absolute path: the one that was given, else where the platform's programs keep data
 * (XDG Base Directory, which knows no relative paths; `Application Support`; `LocalAppData`).
 */
export function dataDirectory(
  given: string | undefined,
  environment: DataDirectoryEnvironment,
  machine: {readonly platform: NodeJS.Platform; readonly homeDirectory: string},
): string {
  if (given) return resolve(given)
  const {platform, homeDirectory} = machine
  if (platform === 'darwin') return join(homeDirectory, 'Library', 'Application Support', 'holdfast')
  if (platform === 'win32') return join(environment.LOCALAPPDATA || join(homeDirectory, 'AppData', 'Local'), 'holdfast')
  const {XDG_DATA_HOME: named} = environment
  return join(named !== undefined && isAbsolute(named) ? named : join(homeDirectory, '.local', 'share'), 'holdfast')
}

/** The embedded registry's bytes, in CNCF Distribution's layout. */
export function registryDirectory(data: string): string {
  return join(data, 'registry')
}

/** What mirrors have, a folder for each upstream in the same layout. */
export function mirrorDirectory(data: string): string {
  return join(data, 'mirror')
}

/** The records of registries, cached images and logins. */
export function recordsFile(data: string): string {
  return join(data, 'holdfast.db')
}

/** What the collector of this machine knows. */
export function collectorFile(data: string): string {
  return join(data, 'collector.db')
}

/** What `auth configure-docker` has changed in files of docker and podman. */
export function configurationJournal(data: string): string {
  return join(data, 'configured-files.json')
}

/** What tags named that are being deleted, a file for each. */
export function tagDeletions(data: string): string {
  return join(data, 'tag-deletions')
}
