/** Platforms: `os/architecture[/variant]` (image-spec 1.1 image-index.md §platform; containerd's normalisation of variants). */
import {HoldfastError} from '../core/errors.ts'

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
  readonly osVersion?: string
}

const PART = /^[A-Za-z0-9_.-]+$/
const ARCHITECTURE_ALIASES: ReadonlyMap<string, readonly [string, string?]> = new Map([
  ['x86_64', ['amd64']],
  ['x86-64', ['amd64']],
  ['i386', ['386']],
  ['i686', ['386']],
  ['aarch64', ['arm64']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
])
/** What an architecture without variant means. */
const DEFAULT_VARIANTS: ReadonlyMap<string, string> = new Map([
  ['amd64', 'v1'],
  ['arm', 'v7'],
  ['arm64', 'v8'],
])

/**
 * Parses `os/architecture[/variant]`; common aliases (`x86_64`, `aarch64`, `armhf`) are normalised.
 * @throws {HoldfastError} INVALID_PLATFORM
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/')
  const [os, rawArchitecture, rawVariant] = parts
  if (os === undefined || rawArchitecture === undefined || parts.length > 3 || !parts.every((part) => PART.test(part))) {
    throw new HoldfastError('INVALID_PLATFORM', `cannot read platform "${text}": it is os/architecture[/variant]`, {
      hints: ['--platform linux/amd64', '--platform linux/arm/v7'],
    })
  }
  const [architecture, impliedVariant] = ARCHITECTURE_ALIASES.get(rawArchitecture.toLowerCase()) ?? [rawArchitecture.toLowerCase()]
  const variant = rawVariant?.toLowerCase() ?? impliedVariant
  return {os: os.toLowerCase(), architecture, ...(variant === undefined ? {} : {variant})}
}

/** Formats a platform as `os/architecture[/variant]`. */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, ...(platform.variant ? [platform.variant] : [])].join('/')
}

/** Tells whether `offered` serves who asks for `wanted`; a wanted platform without variant takes any, and arm64 means arm64/v8. */
export function matchesPlatform(offered: Platform, wanted: Platform): boolean {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return false
  if (wanted.variant === undefined) return true
  return (offered.variant ?? DEFAULT_VARIANTS.get(offered.architecture)) === wanted.variant
}
