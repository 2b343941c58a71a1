/** What is said about images that were cached or copied. */
import type {CachedImage} from '../caching/cache-images.ts'
import type {FoundImage} from '../caching/find-cached-images.ts'
import type {Damage} from '../caching/find-damage.ts'
import type {CheckEvent} from '../caching/recheck.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'
import type {ForeignLayer, MissingManifest} from '../transfer/copy-job.ts'
import type {ErrorBody} from './error-report.ts'
import {formatTable} from './table.ts'
import {formatBytes, formatCount, formatMinute} from './units.ts'

/** The result of `cache-image`, in the order of the images. */
export interface CachedImages {
  readonly images: readonly CachedImage[]
  readonly failures: readonly {readonly source: string; readonly error: ErrorBody}[]
}

/** What became of a check of an image that was cached before. */
export function describeCheck(event: CheckEvent): TerminalText {
  switch (event.type) {
    case 'damaged':
      return text`${event.reference} ${describeDamage(event)}`
    case 'healed':
      return text`${event.reference} was healed and is whole`
    case 'not-healed':
      return text`${event.reference} was not healed: ${event.error.message}`
    case 'not-checked':
      return text`${event.reference} was not checked: ${event.error.message}`
  }
}

/** `lacks 2 parts: …; has other bytes under …`; what there is none of is left out. */
function describeDamage({missing, altered}: Damage): string {
  return [
    ...(missing.length === 0 ? [] : [`lacks ${formatCount(missing.length, 'part')}: ${missing.join(', ')}`]),
    ...(altered.length === 0 ? [] : [`has other bytes under ${altered.join(', ')}`]),
  ].join('; ')
}

/** How blobs came to the target. */
export interface BlobCounts {
  readonly unchanged: boolean
  readonly copiedBytes: number
  readonly uploadedBlobs: number
  readonly mountedBlobs: number
  readonly presentBlobs: number
  readonly referrers: number
}

/** One line about an image that was cached. */
export function describeCached(image: CachedImage): TerminalText {
  const since = image.unchanged && image.copiedBytes === 0 ? ` since ${image.cachedAt}` : ''
  return text`${image.source}: ${describeBlobs(image, since)}; also ${image.reference}`
}

/** `12 MB copied in 3 blobs, 2 mounted, 1 already there, 1 referrer`; what is zero is left out. */
export function describeBlobs(counts: BlobCounts, since = ''): string {
  if (counts.unchanged) return `unchanged${since}, nothing copied`
  return [
    `${formatBytes(counts.copiedBytes)} copied in ${formatCount(counts.uploadedBlobs, 'blob')}`,
    ...(counts.mountedBlobs > 0 ? [`${counts.mountedBlobs} mounted`] : []),
    ...(counts.presentBlobs > 0 ? [`${counts.presentBlobs} already there`] : []),
    ...(counts.referrers > 0 ? [formatCount(counts.referrers, 'referrer')] : []),
  ].join(', ')
}

/** Says that a choice of platforms is not what the source's digest names. */
export function digestChange(image: {readonly source: string; readonly digest: string; readonly sourceDigest: string}): TerminalText {
  return text`${image.source}: the digest changed, since only some platforms were copied: ${image.digest}, the source has ${image.sourceDigest}`
}

/** What the copy of an image does not have, each as a warning. */
export function describeRest(image: {
  readonly source: string
  readonly foreignLayers?: readonly ForeignLayer[]
  readonly missing?: readonly MissingManifest[]
}): readonly TerminalText[] {
  const {source, foreignLayers = [], missing = []} = image
  const layers = foreignLayers.map(({digest, urls}) => `${digest} (${urls.join(', ') || 'no URL'})`)
  return [
    ...(layers.length === 0
      ? []
      : [
          text`${source}: clients fetch ${formatCount(layers.length, 'foreign layer')} from elsewhere and not from the copy: ${layers.join(', ')}; --foreign-layers copies what the source has`,
        ]),
    ...missing.map(({digest}) => text`${source}: the source does not have ${digest}, an attestation that its index names; it was left out`),
  ]
}

/** All images that were found, a row each. */
export function describeFound(images: readonly FoundImage[]): readonly TerminalText[] {
  const rows = images.map((image) => [
    image.platforms === undefined ? image.source : `${image.source} (${image.platforms.join(', ')})`,
    image.app ?? '-',
    formatBytes(image.sizeBytes),
    formatMinute(image.cachedAt),
    [image.pinnedReference, ...stateOf(image)].join(' '),
  ])
  return formatTable(['SOURCE', 'APP', 'SIZE', 'CACHED (UTC)', 'REFERENCE'], rows)
}

/** What keeps an image from being pulled whole, as far as it is known. */
function stateOf({removedAt, damaged}: FoundImage): readonly string[] {
  if (removedAt !== undefined) return ['(removed)']
  return damaged === undefined ? [] : ['(damaged)']
}
