/** What is said about tags. */

import {type TerminalText, text} from '../core/terminal-text.ts'
import type {DeletedTag} from '../tags/delete-tag.ts'
import type {ListedTag} from '../tags/list-tags.ts'
import {formatTable} from './table.ts'
import {formatBytes} from './units.ts'

/** As docker shows them. */
const SHORT_DIGEST_CHARACTERS = 'sha256:'.length + 12
const UNKNOWN = '-'

/** All tags, a row each; those that were not looked up come last. */
export function describeTags(tags: readonly ListedTag[], others: readonly string[] = []): readonly TerminalText[] {
  const rows = tags.map(({tag, digest, createdAt, sizeBytes, platforms = [], osVersions = [], siblings}) => [
    tag,
    digest.slice(0, SHORT_DIGEST_CHARACTERS),
    createdAt?.slice(0, 'yyyy-mm-dd'.length) ?? UNKNOWN,
    sizeBytes === undefined ? UNKNOWN : formatBytes(sizeBytes),
    [platforms.join(', ') || UNKNOWN, ...(osVersions.length === 0 ? [] : [`(${osVersions.join(', ')})`])].join(' '),
    siblings.join(', '),
  ])
  return formatTable(
    ['TAG', 'DIGEST', 'CREATED', 'SIZE', 'PLATFORMS', 'SAME AS'],
    [...rows, ...others.map((tag) => [tag, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, ''])],
  )
}

type Reported = Omit<DeletedTag, 'digest' | 'siblings'> & {readonly digest: string; readonly siblings: readonly string[]}

/** One line about a tag that was deleted. */
export function describeDeleted({reference, digest, manifestDeleted, siblings}: Reported): TerminalText {
  if (!manifestDeleted) return text`${reference} is deleted; ${digest} and its other tags stay`
  return text`${reference} is deleted with its manifest ${digest}${siblings.length === 0 ? '' : `, and with it the tags ${siblings.join(', ')}`}`
}
