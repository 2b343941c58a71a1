/** What people name on either side of a copy: an image in a registry, or `oci:DIR[:TAG|@DIGEST]`, a directory in the OCI image layout. */
import type {SourceStore, TargetStore} from '../content/store.ts'
import {HoldfastError} from '../core/errors.ts'
import {shellCommand, shellWord} from '../core/shell.ts'
import {parseDigest} from '../oci/digest.ts'
import {
  DEFAULT_TAG,
  formatReference,
  isTag,
  parseReference,
  type Reference,
  type RegistryHost,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts'
import type {TransportSettings} from '../registries/endpoint.ts'
import type {Context, SourceAccess} from './context.ts'

const LAYOUT_SCHEME = 'oci:'
/** A layout has one name space: no repository stands between it and a tag, in messages neither. */
const LAYOUT_REPOSITORY = '' as RepositoryName
/** How many tags of a layout are offered when one must be chosen. */
const MAX_TAGS_SHOWN = 10

export type ImageLocation =
  | {readonly kind: 'registry'; readonly reference: Reference}
  /** `reference` has neither tag nor digest when none was given. */
  | {readonly kind: 'layout'; readonly directory: string; readonly reference: Reference}

/**
 * Parses one side of a copy.
 * @throws {HoldfastError} INVALID_REFERENCE, for what stands after the last colon of a layout and is neither a tag nor a part of a path as well; INVALID_DIGEST;
 *   USAGE for a layout without a directory.
 */
export function parseImageLocation(text: string): ImageLocation {
  if (!text.startsWith(LAYOUT_SCHEME)) return {kind: 'registry', reference: parseReference(text)}
  const rest = text.slice(LAYOUT_SCHEME.length)
  const at = /@(?=sha(?:256|512):)/.exec(rest)
  const digest = at === null ? undefined : parseDigest(rest.slice(at.index + 1))
  const named = at === null ? rest : rest.slice(0, at.index)
  const {directory, tag} = splitTag(named)
  if (directory === '') throw new HoldfastError('USAGE', `cannot read "${text}": it names no directory`, {hints: ['oci:./image:latest']})
  const reference = {
    registry: `${LAYOUT_SCHEME}${directory}` as RegistryHost,
    repository: LAYOUT_REPOSITORY,
    ...(tag === undefined ? {} : {tag}),
    ...(digest === undefined ? {} : {digest}),
  }
  return {kind: 'layout', directory, reference}
}

/** A path may hold colons; after the last one comes a tag, unless a part of a path does. */
function splitTag(named: string): {readonly directory: string; readonly tag?: Tag} {
  const colon = named.lastIndexOf(':')
  const last = named.slice(colon + 1)
  if (colon <= 0 || /[/\\]/.test(last)) return {directory: named}
  const directory = named.slice(0, colon)
  if (isTag(last)) return {directory, tag: last}
  throw new HoldfastError('INVALID_REFERENCE', `cannot read "${LAYOUT_SCHEME}${named}": "${last}" is not a tag`, {
    hints: [
      shellWord(`${LAYOUT_SCHEME}${directory}:${DEFAULT_TAG}`),
      `${shellWord(`${LAYOUT_SCHEME}${named}/`)}   # if that is the name of a directory`,
    ],
  })
}

/** An image where it is or is to be; `name` has every default written out. */
export interface OpenLocation<Store> {
  readonly store: Store
  readonly reference: Reference
  readonly name: string
  readonly isLayout: boolean
}

/**
 * Opens what is copied from; a layout without a tag is asked for its only one.
 * @throws {HoldfastError} USAGE when the layout has several tags, MANIFEST_NOT_FOUND when it has none.
 */
export async function openSourceLocation(text: string, context: Context, access: SourceAccess): Promise<OpenLocation<SourceStore>> {
  const location = parseImageLocation(text)
  const {reference} = location
  if (location.kind === 'registry') {
    return {store: await context.openSource(reference, access), reference, name: formatReference(reference), isLayout: false}
  }
  const {directory} = location
  if (access.credential !== undefined)
    throw new HoldfastError('USAGE', `cannot use credentials for "oci:${directory}": a directory asks for none`)
  const store = await context.openLayout(directory)
  const named = hasName(reference) ? reference : {...reference, tag: await onlyTag(store, directory, context.signal)}
  return {store, reference: named, name: formatLayout(directory, named), isLayout: true}
}

/** Opens what is copied to; without a tag it is `latest`. */
export async function openTargetLocation(
  text: string,
  context: Context,
  transport: TransportSettings,
): Promise<OpenLocation<TargetStore & SourceStore>> {
  const location = parseImageLocation(text)
  const {reference} = location
  if (location.kind === 'registry') {
    return {store: await context.openHost(reference.registry, {transport}), reference, name: formatReference(reference), isLayout: false}
  }
  const {directory} = location
  const named = hasName(reference) ? reference : {...reference, tag: DEFAULT_TAG}
  return {store: await context.openLayout(directory), reference: named, name: formatLayout(directory, named), isLayout: true}
}

function hasName({tag, digest}: Reference): boolean {
  return tag !== undefined || digest !== undefined
}

function formatLayout(directory: string, {tag, digest}: Reference): string {
  return `${LAYOUT_SCHEME}${directory}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

async function onlyTag(store: SourceStore, directory: string, signal: AbortSignal): Promise<Tag> {
  const tags: Tag[] = []
  for await (const one of store.listTags(LAYOUT_REPOSITORY, {signal, limit: MAX_TAGS_SHOWN})) tags.push(one)
  const [tag, another] = tags
  if (tag === undefined) {
    throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot read "oci:${directory}": it has no tag`, {
      hints: [shellCommand`cat ${directory}/index.json`],
    })
  }
  if (another === undefined) return tag
  throw new HoldfastError('USAGE', `cannot choose an image in "oci:${directory}": it has several tags`, {
    hints: tags.map((one) => shellWord(`oci:${directory}:${one}`)),
  })
}
