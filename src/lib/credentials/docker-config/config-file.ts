/** The configuration files of docker and podman as values. Errors name the file and never quote it. */
import {stat} from 'node:fs/promises'
import {hasErrno} from '../../core/errno.ts'
import {HoldfastError} from '../../core/errors.ts'
import {readRegularFile, unreadableFile} from '../../core/regular-file.ts'
import type {DockerConfigFile} from './paths.ts'

/** Longer files are refused; real ones have a few kilobytes. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024

/** The parts of a file that concern credentials; entries of `auths` are decoded when they are asked for. */
export interface DockerConfig {
  readonly path: string
  readonly auths: Readonly<Record<string, unknown>>
  /** By registry: the helper that keeps its credentials. */
  readonly credHelpers: Readonly<Record<string, string>>
  /** The helper for every registry without one of its own. */
  readonly credsStore: string | undefined
}

/**
 * Reads a file; undefined when it is not there or empty, or at a usual place in a folder of another user.
 * @throws {HoldfastError} CONFIGURATION when it cannot be read, is too long, or is not JSON of the expected shape.
 */
export async function readDockerConfig(file: DockerConfigFile): Promise<DockerConfig | undefined> {
  const text = await readText(file)
  if (text === undefined || text.trim() === '') return undefined
  const root = parseObject(text, file.path)
  if (file.format === 'dockercfg') return {path: file.path, auths: root, credHelpers: {}, credsStore: undefined}
  const {credsStore} = root
  if (credsStore !== undefined && credsStore !== null && typeof credsStore !== 'string')
    throw malformed(file.path, '"credsStore" is not a string')
  return {
    path: file.path,
    auths: objectField(root, 'auths', file.path),
    credHelpers: stringFields(objectField(root, 'credHelpers', file.path), file.path),
    credsStore: credsStore || undefined,
  }
}

/** The error of a file with the wrong content. `reason` must not quote it. */
export function malformed(path: string, reason: string): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot read credentials from "${path}": ${reason}`, {
    hints: ['docker login REGISTRY  # or podman login REGISTRY: writes the entry anew'],
    details: {path},
  })
}

async function readText({path, isChosen = false}: DockerConfigFile): Promise<string | undefined> {
  try {
    return (await readRegularFile(path, {maxBytes: MAX_CONFIG_BYTES})).toString('utf8')
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    if (!isChosen && hasErrno(error, 'EACCES') && (await isHidden(path))) return undefined
    throw unreadableFile(path, error)
  }
}

/** Whether a folder above it may not be searched, as with the home or the session of another user. */
async function isHidden(path: string): Promise<boolean> {
  return await stat(path).then(
    () => false,
    (error: unknown) => hasErrno(error, 'EACCES'),
  )
}

type JsonObject = Readonly<Record<string, unknown>>

function parseObject(text: string, path: string): JsonObject {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's own message quotes the text around the fault, which may be a password: it is not kept as a cause.
    throw malformed(path, 'it is not JSON')
  }
  if (!isObject(json)) throw malformed(path, 'it is not a JSON object')
  return json
}

function objectField(root: JsonObject, name: string, path: string): JsonObject {
  const value = root[name]
  if (value === undefined || value === null) return {}
  if (!isObject(value)) throw malformed(path, `"${name}" is not an object`)
  return value
}

function stringFields(object: JsonObject, path: string): Readonly<Record<string, string>> {
  const entries = Object.entries(object).filter(([, value]) => value !== null)
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) {
    throw malformed(path, 'a value of "credHelpers" is not a string')
  }
  return Object.fromEntries(entries)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
