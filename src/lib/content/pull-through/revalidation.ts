/** When a tag that is cached is looked up at the upstream again: tags move, and each look counts there. */
import {parseDurationMs} from '../../core/duration.ts'
import {HoldfastError} from '../../core/errors.ts'
import {globExpression} from '../../core/glob.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'

/** `never`: what is cached is what the tag names. A number: after so many milliseconds. `always`: each time. */
export type Revalidation = 'never' | 'always' | number

export interface RevalidationRule {
  /** `*` stands for anything without a `/`, `**` for anything; with a tag behind a colon, else for every tag. */
  readonly pattern: string
  readonly policy: Revalidation
}

const DEFAULT_REVALIDATION_MS = 5 * 60_000

/**
 * Reads `PATTERN=never`, `PATTERN=always` or `PATTERN=30m`.
 * @throws {HoldfastError} USAGE
 */
export function parseRevalidationRule(text: string): RevalidationRule {
  const [, pattern = '', value = ''] = /^(.+)=([a-z0-9]+)$/.exec(text) ?? []
  const ms = parseDurationMs(value)
  if (pattern !== '' && (value === 'never' || value === 'always')) return {pattern, policy: value}
  if (pattern !== '' && ms !== undefined) return {pattern, policy: ms}
  throw new HoldfastError('USAGE', `cannot revalidate by "${text.slice(0, 200)}": it is no PATTERN=never, PATTERN=always or PATTERN=30m`, {
    hints: ['--revalidate "library/*:latest=1m" --revalidate "acme/**=never"'],
  })
}

/** The policy of the first rule that fits. */
export function revalidationOf(rules: readonly RevalidationRule[], repository: RepositoryName, tag: Tag): Revalidation {
  return rules.find(({pattern}) => fits(pattern, repository, tag))?.policy ?? DEFAULT_REVALIDATION_MS
}

function fits(pattern: string, repository: string, tag: string): boolean {
  const colon = pattern.lastIndexOf(':')
  const [name, tagPattern] = colon < 0 ? [pattern, '**'] : [pattern.slice(0, colon), pattern.slice(colon + 1)]
  return globExpression(name, '/').test(repository) && globExpression(tagPattern, '/').test(tag)
}
