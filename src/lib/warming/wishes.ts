/** A list of what to have: images by tag or digest, or repositories with a pattern or a range of versions; one a line. */
import {HoldfastError} from '../core/errors.ts'
import {globExpression} from '../core/glob.ts'
import {parseReference, type Reference} from '../oci/reference.ts'

export interface Wish {
  /** Counted from 1. */
  readonly line: number
  /** As it stands there. */
  readonly text: string
  /** The image; of a choice its repository. */
  readonly reference: Reference
  /** Absent for one image. */
  readonly choice?: {readonly kind: 'pattern'; readonly pattern: string} | {readonly kind: 'range'; readonly range: string}
}

/** `3.20`, `v1`, `1.2.3`: what reads as a version; variants (`7-alpine`) and previews (`8-rc1`) do not. */
const VERSION = /^v?[0-9]{1,6}(?:\.[0-9]{1,6}){0,2}$/

/**
 * Reads a list: `alpine:3.20`, `ghcr.io/acme/web v1.*`, `redis >=7 <8`; `#` begins a remark.
 * @throws {HoldfastError} USAGE or INVALID_REFERENCE, naming file and line.
 */
export async function parseWishes(text: string, file: string): Promise<readonly Wish[]> {
  const {validRange} = await import('semver')
  return text.split('\n').flatMap((raw, index): readonly Wish[] => {
    const content = raw.replace(/(?:^|\s)#.*$/, '').trim()
    if (content === '') return []
    const line = index + 1
    const [name = '', ...rest] = content.split(/\s+/)
    const choice = rest.join(' ')
    try {
      const reference = parseReference(name)
      if (choice === '') return [{line, text: content, reference}]
      if (name.includes('@') || /:[^/]*$/.test(name))
        throw new HoldfastError('USAGE', 'a tag or digest, and a choice of tags, contradict each other')
      if (!/\s/.test(choice) && choice.includes('*')) return [{line, text: content, reference, choice: {kind: 'pattern', pattern: choice}}]
      if (validRange(choice) === null) throw new HoldfastError('USAGE', `"${choice}" is neither a pattern nor a range of versions`)
      return [{line, text: content, reference, choice: {kind: 'range', range: choice}}]
    } catch (cause) {
      if (!(cause instanceof HoldfastError)) throw cause
      const hints = ['alpine:3.20', 'ghcr.io/acme/web v1.*', 'redis >=7 <8']
      throw new HoldfastError(cause.code, `cannot read line ${line} of "${file}": ${cause.message}`, {hints, cause})
    }
  })
}

/** The tags that a choice means, newest version first, and so many at most; a pattern's go by version where they read as one, else by name. */
export async function chooseTags(tags: readonly string[], choice: NonNullable<Wish['choice']>, limit: number): Promise<readonly string[]> {
  const {coerce, rcompare, satisfies} = await import('semver')
  const versionOf = (tag: string) => (VERSION.test(tag) ? coerce(tag) : null)
  const isMeant = (tag: string): boolean => {
    if (choice.kind === 'pattern') return globExpression(choice.pattern, '/').test(tag)
    const version = versionOf(tag)
    return version !== null && satisfies(version, choice.range)
  }
  const newestFirst = (a: string, b: string): number => {
    const [first, second] = [versionOf(a), versionOf(b)]
    if (first !== null && second !== null) return rcompare(first, second) || b.length - a.length
    if (first !== null || second !== null) return first === null ? 1 : -1
    return a < b ? 1 : -1
  }
  return tags.filter(isMeant).sort(newestFirst).slice(0, limit)
}
