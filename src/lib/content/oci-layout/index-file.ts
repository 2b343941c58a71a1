/** `index.json` of an OCI image layout: the manifests it offers, and their names as annotations. Other tools' entries and fields are kept as they are. */
import {HoldfastError} from '../../core/errors.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import type {Digest} from '../../oci/digest.ts'
import {createRawManifest, MAX_MANIFEST_BYTES, parseManifest} from '../../oci/manifest.ts'
import {MEDIA_TYPE} from '../../oci/media-types.ts'
import {writeDurably} from '../disk/durable.ts'
import type {LayoutDirectory} from './directory.ts'
import {withFileLock} from './file-lock.ts'

/** The annotation that holds a manifest's name, as a rule a tag (image-spec 1.1 annotations.md). */
const REF_NAME = 'org.opencontainers.image.ref.name'

/** A change of the entries. */
export type IndexChange = (entries: readonly Descriptor[]) => readonly Descriptor[]

export class IndexFile {
  readonly #directory: LayoutDirectory
  /** Changes of this process go one after another; those of other processes are kept off by a lock file. */
  #lastChange: Promise<unknown> = Promise.resolve()

  constructor(directory: LayoutDirectory) {
    this.#directory = directory
  }

  /**
   * The entries in the order of the file; none where there is no layout yet.
   * @throws {HoldfastError} INVALID_MANIFEST when the file is malformed; UNSUPPORTED, CONFIGURATION when the layout is none we know.
   */
  async read(): Promise<readonly Descriptor[]> {
    if (!(await this.#directory.exists())) return []
    return (await this.#readFile()).entries
  }

  /** Changes the entries; the file is replaced as a whole, and only when something changed. */
  async change(change: IndexChange): Promise<void> {
    const done = this.#lastChange.then(async () => {
      await withFileLock(this.#directory.indexLock, async (confirm) => {
        const {entries, fields} = await this.#readFile()
        const changed = change(entries)
        const text = JSON.stringify({...fields, manifests: changed.map(encodeDescriptor)})
        if (text === JSON.stringify({...fields, manifests: entries.map(encodeDescriptor)}) && entries.length > 0) return
        await confirm()
        await writeDurably(this.#directory.indexFile, this.#directory.newTemporary(), text)
      })
    })
    this.#lastChange = done.catch(() => undefined)
    await done
  }

  async #readFile(): Promise<{readonly entries: readonly Descriptor[]; readonly fields: Readonly<Record<string, unknown>>}> {
    const bytes = await this.#directory.readIndex(MAX_MANIFEST_BYTES)
    if (bytes === undefined) return {entries: [], fields: {schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex}}
    const index = parseManifest(createRawManifest(MEDIA_TYPE.ociIndex, bytes))
    if (index.kind !== 'index') throw new HoldfastError('INVALID_MANIFEST', `cannot read "${this.#directory.indexFile}": it is no index`)
    return {entries: index.manifests, fields: JSON.parse(bytes.toString('utf8')) as Readonly<Record<string, unknown>>}
  }
}

/** Adds an entry without a name, unless some entry has that digest. */
export function addEntry(entry: Descriptor): IndexChange {
  return (entries) => (entries.some(({digest}) => digest === entry.digest) ? entries : [...entries, entry])
}

/** Names a manifest; whatever had the name keeps its entry and loses the name, as with other tools. */
export function nameEntry(entry: Descriptor, name: string): IndexChange {
  return (entries) => {
    const others = entries
      .filter((other) => other.digest !== entry.digest || (nameOf(other) !== undefined && nameOf(other) !== name))
      .map((other) => (nameOf(other) === name ? withoutName(other) : other))
    return [...others, {...entry, annotations: {...entry.annotations, [REF_NAME]: name}}]
  }
}

/** Takes out the nameless entries of manifests that are reached through an index instead. */
export function dropEntries(digests: ReadonlySet<Digest>): IndexChange {
  return (entries) => entries.filter((entry) => nameOf(entry) !== undefined || !digests.has(entry.digest))
}

export function nameOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[REF_NAME]
}

function withoutName(entry: Descriptor): Descriptor {
  const {annotations, ...rest} = entry
  const others = Object.entries(annotations ?? {}).filter(([key]) => key !== REF_NAME)
  return others.length === 0 ? rest : {...rest, annotations: Object.fromEntries(others)}
}

function encodeDescriptor(entry: Descriptor): Readonly<Record<string, unknown>> {
  const {platform, ...rest} = entry
  if (platform === undefined) return rest
  const {osVersion, ...fields} = platform
  return {...rest, platform: osVersion === undefined ? fields : {...fields, 'os.version': osVersion}}
}
