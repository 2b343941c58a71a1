/** The flags that limit what a mirror keeps. */
import * as Flags from '@oclif/core/flags'
import {Quota} from '../content/disk/quota.ts'
import {type EvictionPolicy, PROTECTED_MS} from '../content/pull-through/eviction/policy.ts'
import {parseDurationMs} from '../core/duration.ts'
import {HoldfastError} from '../core/errors.ts'
import {parseSize} from '../core/size.ts'

export const EVICTION_FLAGS = {
  'max-size': Flags.string({
    env: 'HOLDFAST_MAX_SIZE',
    helpValue: 'SIZE',
    summary: 'Maximum size of all cached images, such as 500GB; the least recently used are evicted. Default: no limit.',
  }),
  'max-unused': Flags.string({
    env: 'HOLDFAST_MAX_UNUSED',
    helpValue: 'DURATION',
    summary: 'Time without a pull after which an image is evicted, such as 90d. Default: no limit.',
  }),
  keep: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    env: 'HOLDFAST_KEEP',
    helpValue: 'PATTERN',
    summary: 'Images that are never evicted, such as "library/*:3.*" or "ghcr.io/acme/**". Repeatable.',
  }),
}

interface EvictionFlags {
  readonly 'max-size'?: string | undefined
  readonly 'max-unused'?: string | undefined
  readonly keep?: readonly string[] | undefined
  readonly store?: string | undefined
}

export interface Eviction {
  readonly policy: EvictionPolicy
  readonly quota: Quota
}

/** @throws {HoldfastError} USAGE for an invalid size or length of time, for a length below a day, and for limits beside --store. */
export function readEviction(flags: EvictionFlags): Eviction {
  const {'max-size': size, 'max-unused': unused, keep = [], store} = flags
  if (store !== undefined && (size !== undefined || unused !== undefined)) {
    const flag = size === undefined ? '--max-unused' : '--max-size'
    throw new HoldfastError('USAGE', `cannot use "${flag}" with --store: the registry "${store.slice(0, 200)}" keeps the images`, {
      hints: ['holdfast mirror evict IMAGE --upstream docker.io --store REGISTRY   # removes one image'],
    })
  }
  const maxSizeBytes = readMaxSize(size)
  const maxUnusedMs = unused === undefined ? undefined : parseDurationMs(unused)
  if (unused !== undefined && (maxUnusedMs === undefined || maxUnusedMs < PROTECTED_MS)) {
    const reason =
      maxUnusedMs === undefined ? 'it is not a length of time' : 'images that were served in the last 24 hours are never evicted'
    throw new HoldfastError('USAGE', `cannot use "--max-unused ${unused.slice(0, 100)}": ${reason}`, {hints: ['--max-unused 90d']})
  }
  return {policy: {maxSizeBytes, maxUnusedMs, keep}, quota: new Quota(maxSizeBytes ?? Number.POSITIVE_INFINITY)}
}

/** @throws {HoldfastError} USAGE for what is not a size. */
export function readMaxSize(text: string | undefined): number | undefined {
  const sizeBytes = text === undefined ? undefined : parseSize(text)
  if (text === undefined || sizeBytes !== undefined) return sizeBytes
  throw new HoldfastError('USAGE', `cannot use "--max-size ${text.slice(0, 100)}": it is not a size`, {hints: ['--max-size 500GB']})
}
