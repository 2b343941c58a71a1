/** Image configurations: what an image says of how it is run (image-spec 1.1 config.md; Docker's schema 2 has the same fields). */
import {HoldfastError} from '../core/errors.ts'
import {decodeJson} from './json.ts'
import type {Platform} from './platform.ts'

/** A config larger than this is refused: real ones have a few KiB. */
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024

export interface ImageConfig {
  readonly platform: Platform
  /** As the image says, normally ISO 8601. */
  readonly created?: string
  readonly command: readonly string[]
  readonly entrypoint: readonly string[]
  readonly workingDirectory: string
  readonly user: string
  /** For example `8080/tcp`, as written. */
  readonly exposedPorts: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/**
 * Parses an image config.
 * @throws {HoldfastError} INVALID_MANIFEST when it is not a JSON object.
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const decoded = decodeJson(bytes)
  if ('reason' in decoded) throw new HoldfastError('INVALID_MANIFEST', `cannot read image config: ${decoded.reason}`)
  const json = decoded.value
  if (!isObject(json)) throw new HoldfastError('INVALID_MANIFEST', 'cannot read image config: it is not a JSON object')
  const config = isObject(json.config) ? json.config : {}
  const variant = text(json.variant)
  const osVersion = text(json['os.version'])
  const created = text(json.created)
  return {
    platform: {
      os: text(json.os) ?? 'unknown',
      architecture: text(json.architecture) ?? 'unknown',
      ...(variant === undefined ? {} : {variant}),
      ...(osVersion === undefined ? {} : {osVersion}),
    },
    ...(created === undefined ? {} : {created}),
    command: texts(config.Cmd),
    entrypoint: texts(config.Entrypoint),
    workingDirectory: text(config.WorkingDir) ?? '',
    user: text(config.User) ?? '',
    exposedPorts: isObject(config.ExposedPorts) ? Object.keys(config.ExposedPorts) : [],
    labels: isObject(config.Labels)
      ? Object.fromEntries(Object.entries(config.Labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
      : {},
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : []
}
