/**
 * Deleting one tag and leaving its siblings, which name the same manifest, alone (requirement L5). Three ways, the first that the registry offers:
 * 1. it deletes tags (distribution-spec 1.1 §Deleting tags);
 * 2. it deletes manifests only: the tag is moved to a manifest made for that end, and this one is deleted, which takes the tag along;
 * 3. the manifest itself is deleted, and every tag that names it with it: only when that is wanted.
 */
import {randomUUID} from 'node:crypto'
import type {CallOptions, ContentStore} from '../content/store.ts'
import {HalfDoneError, HoldfastError, hasCode, interrupted, RegistryError} from '../core/errors.ts'
import {excerpt} from '../core/redaction.ts'
import {type Digest, digestOf} from '../oci/digest.ts'
import {createRawManifest, type RawManifest} from '../oci/manifest.ts'
import {MEDIA_TYPE} from '../oci/media-types.ts'
import {formatPinned, formatReference, type RegistryHost, type RepositoryName, type Tag} from '../oci/reference.ts'
import type {DeletionJournal, PendingDeletion} from './deletion-journal.ts'
import {statTags} from './list-tags.ts'

export interface TagReference {
  readonly registry: RegistryHost
  readonly repository: RepositoryName
  readonly tag: Tag
}

export interface DeletedTag {
  readonly reference: string
  /** What the tag named. */
  readonly digest: Digest
  /** Whether the manifest is gone as well, and every tag that named it. */
  readonly manifestDeleted: boolean
  /** Tags that were deleted along. */
  readonly siblings: readonly Tag[]
}

export interface DeleteTagOptions extends CallOptions {
  /** Where a deletion is written down before the tag is moved. */
  readonly journal: DeletionJournal
  /** Asked when the tag cannot be deleted without its manifest: whether these tags may go with it. */
  readonly mayDelete: (siblings: readonly string[]) => Promise<boolean>
  /** Told before every tag of the repository is looked up to find the siblings, one request each: where only the manifest can be deleted. */
  readonly onSearch?: (() => void) | undefined
}

/** A manifest that no registry has. */
const ABSENT = digestOf(Buffer.from('no manifest has the digest of this sentence'))
const HTTP_BAD_REQUEST = 400
/** How long a tag is put back after a failure or a signal: less than a command has to end in. */
const RESTORE_MS = 10_000

/**
 * Deletes a tag; a deletion that an earlier run left half done is finished. Whatever else it throws, also for a signal, the tag names what it named.
 * @throws {HalfDoneError} when that cannot be made sure of, with what is known and the command that goes on.
 * @throws {HoldfastError} MANIFEST_NOT_FOUND; UNSUPPORTED when the registry deletes nothing, with nothing changed; CONFLICT when siblings would go along and may not;
 *   UNAUTHENTICATED, DENIED; STORAGE, with nothing changed, when the tag must be moved first and that cannot be written down.
 */
export async function deleteTag(reference: TagReference, store: ContentStore, options: DeleteTagOptions): Promise<DeletedTag> {
  const {repository, tag} = reference
  const name = formatReference(reference)
  const pending = await options.journal.find(name)
  const found =
    pending === undefined ? await store.readManifest(repository, tag, options) : await resume(reference, pending, store, options)
  if (found === undefined && pending !== undefined)
    return {reference: name, digest: pending.original.digest, manifestDeleted: false, siblings: []}
  if (found === undefined) {
    throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot delete "${name}": ${reference.registry} has no such tag`, {
      hints: [`holdfast tag list ${reference.registry}/${repository}`],
    })
  }
  const alone = {reference: name, digest: found.digest, manifestDeleted: false, siblings: []}
  if (await deletedByName(reference, store, options)) return alone
  await assertDeletes(reference, store, options)
  if (await deletedByReplacement(reference, found, store, options)) return alone
  options.onSearch?.()
  const invalid: string[] = []
  const all = await statTags(reference, store, {...options, onInvalid: (other) => void invalid.push(other)})
  const siblings = all.flatMap((other) => (other.digest === found.digest && other.tag !== tag ? [other.tag] : []))
  // What an invalid name names cannot be asked: it may be the same manifest.
  if (siblings.length + invalid.length > 0 && !(await options.mayDelete([...siblings, ...invalid.slice(0, 1)]))) {
    const known = siblings.length === 0 ? [] : [`${siblings.join(', ')} name the same one`]
    const unknown = invalid.length === 0 ? [] : [`"${excerpt(invalid[0] ?? '')}", which is not a valid tag, may name it`]
    throw new HoldfastError(
      'CONFLICT',
      `cannot delete "${name}" alone: the registry deletes whole manifests, and ${[...known, ...unknown].join(', and ')}`,
      {
        hints: [`holdfast tag delete ${name} --include-siblings   # deletes ${[tag, ...siblings].join(', ')}`],
        details: {digest: found.digest, siblings},
      },
    )
  }
  await confirmed(reference, store, options, () => store.deleteManifest(repository, found.digest, options))
  return {...alone, manifestDeleted: true, siblings}
}

/**
 * Takes up a deletion that an earlier run left half done. What the tag named comes back first, so that every way of deleting it starts as if nothing had been done.
 * @returns what the tag names now; undefined when it is gone.
 */
async function resume(
  reference: TagReference,
  pending: PendingDeletion,
  store: ContentStore,
  options: DeleteTagOptions,
): Promise<RawManifest | undefined> {
  const {repository, tag} = reference
  let found: RawManifest | undefined
  try {
    found = await store.readManifest(repository, tag, options)
    if (found?.digest === pending.placeholder) {
      await store.writeManifest(repository, tag, pending.original, options)
      found = pending.original
    }
  } catch (cause) {
    throw halfDone(reference, pending, cause)
  }
  await options.journal.remove(formatReference(reference))
  return found
}

/**
 * Runs a deletion that takes the tag along; when its answer is lost, looks whether the tag is gone.
 * @throws {HalfDoneError} when that cannot be seen, and for a signal while the registry may still carry it out.
 */
async function confirmed(reference: TagReference, store: ContentStore, {signal}: CallOptions, work: () => Promise<unknown>): Promise<void> {
  if (signal?.aborted) throw interrupted()
  try {
    await work()
  } catch (error) {
    if (isRefusal(error) || (error instanceof RegistryError && !error.retryable)) throw error
    if (await isGone(reference, store, error)) return
    if (!hasCode(error, 'INTERRUPTED')) throw error
    const name = formatReference(reference)
    throw new HalfDoneError('INTERRUPTED', `${name} was still there, but its deletion has been asked for and may be carried out yet`, {
      hints: [`holdfast tag delete ${name}   # finishes the deletion`],
      details: {reference: name},
      cause: error,
    })
  }
}

/**
 * Returns whether the tag is gone after its deletion was asked for; not ended by the signal that ends the command.
 * @throws {HalfDoneError} when that cannot be seen.
 */
async function isGone(reference: TagReference, store: ContentStore, failure?: unknown): Promise<boolean> {
  const {repository, tag} = reference
  try {
    const call = {signal: AbortSignal.timeout(RESTORE_MS), isLikelyAbsent: failure === undefined}
    return (await store.statManifest(repository, tag, call)) === undefined
  } catch (cause) {
    const name = formatReference(reference)
    const asked =
      failure === undefined
        ? `cannot find out whether "${name}" is gone`
        : `cannot delete "${name}" (${messageOf(failure)}), nor find out whether it is gone`
    throw new HalfDoneError(cause instanceof HoldfastError ? cause.code : 'NETWORK', `${asked}: ${messageOf(cause)}`, {
      hints: [`holdfast tag delete ${name}   # finishes the deletion`],
      details: {reference: name},
      cause,
    })
  }
}

/** False when the registry deletes no tags. */
async function deletedByName(reference: TagReference, store: ContentStore, options: CallOptions): Promise<boolean> {
  const {repository, tag} = reference
  try {
    await confirmed(reference, store, options, () => store.deleteTag(repository, tag, options))
  } catch (error) {
    // A registry that knows only digests calls a tag a malformed one.
    if (hasCode(error, 'UNSUPPORTED') || (error instanceof RegistryError && error.httpStatus === HTTP_BAD_REQUEST)) return false
    throw error
  }
  return await isGone(reference, store)
}

/** Asks for the deletion of what is not there, so that nothing is changed at a registry where deleting is switched off. */
async function assertDeletes({registry, repository, tag}: TagReference, store: ContentStore, options: CallOptions): Promise<void> {
  try {
    await store.deleteManifest(repository, ABSENT, options)
  } catch (cause) {
    if (!hasCode(cause, 'UNSUPPORTED')) throw cause
    throw new HoldfastError(
      'UNSUPPORTED',
      `cannot delete "${registry}/${repository}:${tag}": deleting is switched off at ${registry}; nothing was changed`,
      {
        hints: ['REGISTRY_STORAGE_DELETE_ENABLED=true   # for docker-registry, or storage.delete.enabled in its configuration'],
        cause,
      },
    )
  }
}

/** False when the registry takes no such manifest; the tag is then where it was. */
async function deletedByReplacement(
  reference: TagReference,
  found: RawManifest,
  store: ContentStore,
  options: DeleteTagOptions,
): Promise<boolean> {
  const {repository, tag} = reference
  const name = formatReference(reference)
  const {config, manifest} = createPlaceholder()
  const deletion = {original: found, placeholder: manifest.digest}
  await options.journal.write(name, deletion).catch((cause: unknown) => {
    if (!hasCode(cause, 'STORAGE')) throw cause
    throw new HoldfastError(
      'STORAGE',
      `cannot delete "${name}": the tag must be moved first, and what it names cannot be written down; nothing was changed`,
      {
        hints: ['export HOLDFAST_DATA_DIR=/tmp/holdfast   # a folder that this user may write to', ...cause.hints],
        details: {reference: name},
        cause,
      },
    )
  })
  try {
    await store.writeBlob(
      repository,
      {digest: digestOf(config), size: config.length},
      async (sink, start) => {
        sink.write(config.subarray(start), () => {})
      },
      options,
    )
  } catch (error) {
    await options.journal.remove(name)
    if (isRefusal(error)) return false
    throw error
  }
  let failure: unknown
  let isMoved = false
  try {
    await store.writeManifest(repository, tag, manifest, options)
    isMoved = true
    await store.deleteManifest(repository, manifest.digest, options)
  } catch (error) {
    failure = error
  }
  const wasDeleted = await restore(reference, deletion, store, failure)
  // A write that was cut off may still arrive: the entry stays for that case, and the next run drops it.
  if (wasDeleted || isMoved || isRefusal(failure)) await options.journal.remove(name)
  if (wasDeleted) return true
  // Moving was allowed and deleting is not: no other way of deleting would be.
  if (isMoved && hasCode(failure, 'UNAUTHENTICATED', 'DENIED')) throw failure
  if (failure === undefined || (isRefusal(failure) && !options.signal?.aborted)) return false
  throw failure
}

/**
 * Finds out what became of the tag, whatever the failure may hide, and puts it back unless it is gone; not ended by the signal that ends the command.
 * @returns whether the tag is gone.
 * @throws {HalfDoneError} that says what the tag names, and the command that goes on.
 */
async function restore(reference: TagReference, deletion: PendingDeletion, store: ContentStore, failure: unknown): Promise<boolean> {
  const {repository, tag} = reference
  const {original, placeholder} = deletion
  const call = {signal: AbortSignal.timeout(RESTORE_MS)}
  try {
    const present = await store.statManifest(repository, tag, call)
    if (present === undefined) return true
    if (present.digest !== placeholder) return false
    await store.writeManifest(repository, tag, original, call)
    const restored = await store.statManifest(repository, tag, call)
    if (restored?.digest === original.digest) return false
    throw failure ?? new HoldfastError('CONFLICT', `${reference.registry} did not take the manifest back`)
  } catch (cause) {
    throw halfDone(reference, deletion, cause, failure)
  }
}

/** The tag may be on the empty image, and the journal says so. */
function halfDone(
  reference: TagReference,
  {original, placeholder}: PendingDeletion,
  cause: unknown,
  failure: unknown = cause,
): HalfDoneError {
  const name = formatReference(reference)
  const [first, second] = [messageOf(failure), messageOf(cause)]
  return new HalfDoneError(
    cause instanceof HoldfastError ? cause.code : 'NETWORK',
    `cannot delete "${name}" (${first}), nor find out what it names, or put it back: it may name the empty image ${placeholder}; it named ${original.digest}${first === second ? '' : `: ${second}`}`,
    {
      hints: [
        `holdfast tag delete ${name}   # finishes the deletion`,
        `holdfast copy ${formatPinned(reference, original.digest)} ${name}   # puts the tag back`,
      ],
      details: {reference: name, original: original.digest, placeholder},
      cause,
    },
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function isRefusal(error: unknown): boolean {
  return hasCode(error, 'UNAUTHENTICATED', 'DENIED', 'UNSUPPORTED', 'INVALID_MANIFEST', 'CONFLICT')
}

/** An image of nothing, unlike every other one, so that no tag but the one that is moved to it goes with it. */
function createPlaceholder(): {readonly config: Buffer; readonly manifest: RawManifest} {
  const config = Buffer.from(
    JSON.stringify({os: 'linux', architecture: 'amd64', rootfs: {type: 'layers', diff_ids: []}, config: {Labels: {deleted: randomUUID()}}}),
  )
  const image = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: {mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(config), size: config.length},
    layers: [],
  }
  return {config, manifest: createRawManifest(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(image)))}
}
