/** When a tag that is cached is looked up at the upstream again: tags move, and each look counts there. */
import {parseDurationMs} from '../../core/duration.ts'
import {HoldfastError} from '../../core/errors.ts'
import {globExpression} from '../../core/glob.ts'
import {DOCKER_HUB, type RepositoryName, type Tag} from '../../oci/reference.ts'

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

/** Whether a pattern means an image; its repository may be written with the name of its upstream, and one of Docker Hub's without `library/`. */
export function matchesImage(pattern: string, upstream: string, repository: string, reference: string): boolean {
  const short = upstream === DOCKER_HUB ? repository.replace(/^library\//, '') : repository
  return [repository, short].some((name) => fits(pattern, name, reference) || fits(pattern, `${upstream}/${name}`, reference))
}

function fits(pattern: string, repository: string, tag: string): boolean {
  const at = pattern.indexOf('@')
  const end = at < 0 ? pattern.lastIndexOf(':') : at
  // The colon of a port is before the repository.
  const [name, tagPattern] = end <= pattern.lastIndexOf('/') ? [pattern, '**'] : [pattern.slice(0, end), pattern.slice(end + 1)]
  return globExpression(name, '/').test(repository) && globExpression(tagPattern, '/').test(tag)
}
