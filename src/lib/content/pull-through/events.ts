import type {Damage} from './cache.ts'

/** How questions to a mirror were answered and what it did by itself; what a mirror is worth. */
export type MirrorEvent =
  | {readonly type: 'hit' | 'miss'; readonly kind: 'manifest' | 'blob'}
  /** Served though the upstream could not be asked whether it still is so. */
  | {readonly type: 'stale'; readonly repository: string; readonly tag: string}
  | {readonly type: 'filled'; readonly repository: string; readonly digest: string; readonly bytes: number}
  | {readonly type: 'moved'; readonly repository: string; readonly tag: string; readonly digest: string}
  /** The parts of an image that no client had asked for were fetched. */
  | {readonly type: 'completed'; readonly repository: string; readonly digest: string}
  /** What was kept is damaged: it is taken out of use, and fetched again. */
  | ({readonly type: 'damaged'} & Damage)
  | {readonly type: 'failure'; readonly error: unknown}
