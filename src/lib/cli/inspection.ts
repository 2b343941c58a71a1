/** An image as text. */
import type {InspectedImage, InspectedLayer, InspectedManifest} from '../caching/inspect-image.ts'
import {shorten} from '../core/redaction.ts'
import {escapeText, type TerminalText, text} from '../core/terminal-text.ts'
import {formatBytes} from './units.ts'

const MAX_VALUE_CHARACTERS = 500

/** Lines that describe an image. */
export function formatInspection(image: InspectedImage): readonly TerminalText[] {
  return [
    ...fields([
      ['Reference', image.reference],
      ['Digest', image.digest],
      ['Media type', image.mediaType],
      ['Size', formatBytes(image.sizeBytes)],
      ['Platforms', image.platforms.join(', ')],
      ...pairs('Annotation', image.annotations),
    ]),
    ...image.manifests.flatMap((manifest) => [text``, ...formatManifest(manifest)]),
    ...formatBlobs(image.blobs ?? []),
    ...(image.missing ?? []).flatMap(({digest, mediaType, platform}) => [text``, text`missing: ${digest} (${platform ?? mediaType})`]),
  ]
}

function formatManifest(manifest: InspectedManifest): readonly TerminalText[] {
  return [
    escapeText(shorten(manifest.platform ?? manifest.artifactType ?? 'artifact', MAX_VALUE_CHARACTERS)),
    ...fields([
      ['OS version', manifest.osVersion],
      ['Digest', manifest.digest],
      ['Created', manifest.created],
      ['Size', formatBytes(manifest.sizeBytes)],
      ['User', manifest.user],
      ['Entrypoint', formatWords(manifest.entrypoint)],
      ['Command', formatWords(manifest.command)],
      ['Directory', manifest.workingDirectory],
      ['Ports', manifest.exposedPorts?.join(', ')],
      ...pairs('Label', manifest.labels ?? {}),
      ...manifest.layers.map(formatLayer),
    ]).map((line) => text`  ${line}`),
  ]
}

function formatBlobs(blobs: NonNullable<InspectedImage['blobs']>): readonly TerminalText[] {
  return blobs.length === 0 ? [] : [text``, text`blobs`, ...fields(blobs.map(formatLayer)).map((line) => text`  ${line}`)]
}

function formatLayer({digest, sizeBytes, urls}: InspectedLayer, position: number): Field {
  const origin = urls === undefined ? '' : `  foreign: ${urls.join(', ')}`
  return [`Layer ${position + 1}`, `${digest}  ${formatBytes(sizeBytes)}${origin}`]
}

type Field = readonly [name: string, value: string | undefined]

/** Aligned `name  value` lines; empty values are left out. */
function fields(all: readonly Field[]): readonly TerminalText[] {
  const shown = all.filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown.map(([name, value = '']) => text`${name.padEnd(width)}  ${shorten(value, MAX_VALUE_CHARACTERS)}`)
}

function pairs(name: string, values: Readonly<Record<string, string>>): readonly Field[] {
  return Object.entries(values).map(([key, value]): Field => [name, `${key}=${value}`])
}

function formatWords(words: readonly string[] | undefined): string | undefined {
  return words === undefined || words.length === 0 ? undefined : JSON.stringify(words)
}
