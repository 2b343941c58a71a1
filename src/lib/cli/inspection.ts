/** An image as text. */
import type {InspectedImage, InspectedManifest} from '../caching/inspect-image.ts'
import {printable} from '../core/redaction.ts'
import {formatBytes} from './units.ts'

const MAX_VALUE_CHARACTERS = 500

/** Lines that describe an image; what it says of itself is made printable, since anybody can write an image. */
export function formatInspection(image: InspectedImage): readonly string[] {
  return [
    ...fields([
      ['Reference', image.reference],
      ['Digest', image.digest],
      ['Media type', image.mediaType],
      ['Size', formatBytes(image.sizeBytes)],
      ['Platforms', image.platforms.join(', ')],
      ...pairs('Annotation', image.annotations),
    ]),
    ...image.manifests.flatMap((manifest) => ['', ...formatManifest(manifest)]),
  ]
}

function formatManifest(manifest: InspectedManifest): readonly string[] {
  return [
    manifest.platform ?? manifest.artifactType ?? 'artifact',
    ...fields([
      ['Digest', manifest.digest],
      ['Created', manifest.created],
      ['Size', formatBytes(manifest.sizeBytes)],
      ['User', manifest.user],
      ['Entrypoint', formatWords(manifest.entrypoint)],
      ['Command', formatWords(manifest.command)],
      ['Directory', manifest.workingDirectory],
      ['Ports', manifest.exposedPorts?.join(', ')],
      ...pairs('Label', manifest.labels ?? {}),
      ...manifest.layers.map((layer, position): Field => [`Layer ${position + 1}`, `${layer.digest}  ${formatBytes(layer.sizeBytes)}`]),
    ]).map((line) => `  ${line}`),
  ]
}

type Field = readonly [name: string, value: string | undefined]

/** Aligned `name  value` lines; empty values are left out. */
function fields(all: readonly Field[]): readonly string[] {
  const shown = all.filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown.map(([name, value = '']) => `${name.padEnd(width)}  ${printable(value, MAX_VALUE_CHARACTERS)}`)
}

function pairs(name: string, values: Readonly<Record<string, string>>): readonly Field[] {
  return Object.entries(values).map(([key, value]): Field => [name, `${key}=${value}`])
}

function formatWords(words: readonly string[] | undefined): string | undefined {
  return words === undefined || words.length === 0 ? undefined : JSON.stringify(words)
}
