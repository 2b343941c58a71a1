/** The promise of a mirror, after any sequence of what clients, the upstream and the operator do: what a client pulled completely survives the upstream, and a tag names the last complete image. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {readBlobBytes} from '../../../src/lib/content/read-bytes.ts'
import type {Digest} from '../../../src/lib/oci/digest.ts'
import {childManifests, parseManifest, type RawManifest, requiredBlobs} from '../../../src/lib/oci/manifest.ts'
import {parseRepositoryName, type Tag} from '../../../src/lib/oci/reference.ts'
import {unreachable} from '../../support/faulty-upstream.ts'
import {addImage, addIndex} from '../../support/memory-images.ts'
import {type CacheKind, openMirror, type TestMirror} from '../../support/pull-through.ts'

const REPOSITORY = parseRepositoryName('shop/web')
const TAGS = ['stable', 'edge'] as const
const MAX_BLOB_BYTES = 1024 * 1024
/** Longer than the mirror leaves an upstream alone that was down. */
const PAUSE_MS = 61_000

/** `image` and `part` count the images that there are, and the parts of one. */
type Step =
  | {readonly do: 'head tag' | 'get tag'; readonly tag: number}
  | {readonly do: 'get digest'; readonly image: number}
  | {readonly do: 'get blob'; readonly image: number; readonly part: number}
  | {readonly do: 'pull'; readonly tag: number; readonly byHead: boolean}
  | {readonly do: 'move'; readonly tag: number; readonly image: number}
  | {readonly do: 'cut' | 'mend' | 'restart'}

const index = fc.nat({max: 9})
const tag = fc.nat({max: TAGS.length - 1})
const STEP: fc.Arbitrary<Step> = fc.oneof(
  {weight: 3, arbitrary: fc.record({do: fc.constantFrom('head tag' as const, 'get tag' as const), tag})},
  {weight: 4, arbitrary: fc.record({do: fc.constant('get digest' as const), image: index})},
  {weight: 6, arbitrary: fc.record({do: fc.constant('get blob' as const), image: index, part: index})},
  {weight: 3, arbitrary: fc.record({do: fc.constant('pull' as const), tag, byHead: fc.boolean()})},
  {weight: 3, arbitrary: fc.record({do: fc.constant('move' as const), tag, image: index})},
  {weight: 3, arbitrary: fc.record({do: fc.constantFrom('cut' as const, 'mend' as const, 'mend' as const, 'restart' as const)})},
)

/** What a mirror has to have, told by what its clients got. */
class Expectation {
  readonly #manifests = new Map<Digest, RawManifest>()
  readonly #blobs = new Set<Digest>()
  readonly #names = new Map<Tag, Digest>()
  readonly #resolved = new Map<Tag, readonly Digest[]>()

  gotManifest(raw: RawManifest): void {
    this.#manifests.set(raw.digest, raw)
    this.#settle()
  }

  gotBlob(digest: Digest): void {
    this.#blobs.add(digest)
    this.#settle()
  }

  resolved(name: Tag, digest: Digest): void {
    const known = this.#resolved.get(name) ?? []
    this.#resolved.set(name, this.#names.get(name) === digest ? [] : [...known.filter((one) => one !== digest), digest])
    this.#settle()
  }

  named(name: Tag): Digest | undefined {
    return this.#names.get(name)
  }

  get complete(): readonly RawManifest[] {
    return [...this.#manifests.values()].filter((raw) => parseManifest(raw).kind === 'image' && this.#extentOf(raw.digest) === 'complete')
  }

  #settle(): void {
    for (const [name, digests] of this.#resolved)
      for (const digest of digests.toReversed()) {
        const extent = this.#extentOf(digest)
        if (extent === 'incomplete' || (extent === 'partial' && this.#names.has(name))) continue
        this.#names.set(name, digest)
        this.#resolved.set(name, digests.slice(digests.indexOf(digest) + 1))
        break
      }
  }

  #extentOf(digest: Digest): 'complete' | 'partial' | 'incomplete' {
    const raw = this.#manifests.get(digest)
    if (raw === undefined) return 'incomplete'
    const manifest = parseManifest(raw)
    if (manifest.kind === 'image') return requiredBlobs(manifest).every((blob) => this.#blobs.has(blob.digest)) ? 'complete' : 'incomplete'
    const begun = childManifests(manifest).filter((child) => this.#manifests.has(child.digest))
    const complete = begun.filter((child) => this.#extentOf(child.digest) === 'complete')
    if (complete.length === 0) return 'incomplete'
    return complete.length === begun.length ? 'complete' : 'partial'
  }
}

class Client {
  readonly #mirror: TestMirror
  readonly #expected = new Expectation()
  readonly #roots: readonly RawManifest[]
  readonly #images: readonly RawManifest[]
  #isCut = false

  constructor(mirror: TestMirror) {
    this.#mirror = mirror
    const {content} = mirror.upstream
    const at = (name: string): string => `upstream.test/${REPOSITORY}:${name}`
    const single = ['a', 'b'].map((name) => addImage(content, at(`i${name}`), ['base', `layer ${name}`]))
    const many = ['c', 'd'].map((name) => addIndex(content, at(`i${name}`), [`amd64${name}`, `arm64${name}`]))
    this.#roots = [...single, ...many.map((one) => one.index)]
    this.#images = [...this.#roots, ...many.flatMap(({children}) => children)]
    for (const name of TAGS) content.repository(REPOSITORY).tags.set(name as Tag, single[0]?.digest as Digest)
  }

  /** Returns nothing for a step that fails, as any may while the upstream is cut. */
  async take(step: Step): Promise<void> {
    const {store, upstream} = this.#mirror
    const image = this.#images['image' in step ? step.image % this.#images.length : 0]
    const name = TAGS['tag' in step ? step.tag : 0] as Tag
    assert.ok(image)
    switch (step.do) {
      case 'head tag':
        return void (await this.#lookUp(name, async () => (await store.statManifest(REPOSITORY, name))?.digest))
      case 'get tag':
        return void (await this.#getTag(name))
      case 'get digest':
        return void (await this.#getManifest(image.digest))
      case 'get blob': {
        const blobs = requiredBlobs(parseManifest(image))
        const blob = blobs[step.part % Math.max(1, blobs.length)]
        if (blob !== undefined) await this.#getBlob(blob)
        return
      }
      case 'pull':
        return await this.#pull(name, step.byHead)
      case 'move':
        upstream.content.repository(REPOSITORY).tags.set(name, this.#roots[step.image % this.#roots.length]?.digest as Digest)
        return
      case 'cut':
        return this.cut()
      case 'mend':
        this.#isCut = false
        upstream.before = () => {}
        this.#mirror.laterMs += PAUSE_MS
        return
      case 'restart':
        await this.#mirror.restart()
    }
  }

  cut(): void {
    this.#isCut = true
    this.#mirror.upstream.before = () => {
      throw unreachable()
    }
  }

  /** With the upstream cut: each complete image, and each tag that must name one. */
  async check(): Promise<void> {
    const {store} = this.#mirror
    for (const raw of this.#expected.complete) {
      assert.ok((await store.readManifest(REPOSITORY, raw.digest)) !== undefined)
      for (const blob of requiredBlobs(parseManifest(raw))) await readBlobBytes(store, REPOSITORY, blob, MAX_BLOB_BYTES)
    }
    for (const name of TAGS as readonly string[] as readonly Tag[]) {
      const named = this.#expected.named(name)
      if (named === undefined) continue
      assert.equal((await store.statManifest(REPOSITORY, name))?.digest, named, `what ${name} names`)
      assert.equal((await store.readManifest(REPOSITORY, name))?.digest, named)
    }
  }

  async #try<Got>(get: () => Promise<Got>): Promise<Got | undefined> {
    try {
      return await get()
    } catch (error) {
      if (!this.#isCut) throw error
      return undefined
    }
  }

  async #lookUp(name: Tag, look: () => Promise<Digest | undefined>): Promise<Digest | undefined> {
    const digest = await this.#try(look)
    if (this.#isCut || digest === undefined) return digest
    assert.equal(digest, this.#mirror.upstream.content.repository(REPOSITORY).tags.get(name), 'what the upstream says')
    this.#expected.resolved(name, digest)
    return digest
  }

  async #getTag(name: Tag): Promise<Digest | undefined> {
    let got: RawManifest | undefined
    const digest = await this.#lookUp(name, async () => {
      got = await this.#mirror.store.readManifest(REPOSITORY, name)
      return got?.digest
    })
    if (got !== undefined) this.#expected.gotManifest(got)
    return digest
  }

  async #getManifest(digest: Digest): Promise<RawManifest | undefined> {
    const raw = await this.#try(() => this.#mirror.store.readManifest(REPOSITORY, digest))
    if (raw !== undefined) this.#expected.gotManifest(raw)
    return raw
  }

  async #getBlob(blob: {readonly digest: Digest; readonly size: number}): Promise<void> {
    const bytes = await this.#try(() => readBlobBytes(this.#mirror.store, REPOSITORY, blob, MAX_BLOB_BYTES))
    if (bytes !== undefined) this.#expected.gotBlob(blob.digest)
  }

  async #pull(name: Tag, byHead: boolean): Promise<void> {
    const {store} = this.#mirror
    const digest = byHead
      ? await this.#lookUp(name, async () => (await store.statManifest(REPOSITORY, name))?.digest)
      : await this.#getTag(name)
    const raw = digest === undefined ? undefined : await this.#getManifest(digest)
    const manifest = raw === undefined ? undefined : parseManifest(raw)
    const [child] = manifest?.kind === 'index' ? childManifests(manifest) : []
    const image = child === undefined ? raw : await this.#getManifest(child.digest)
    for (const blob of image === undefined ? [] : requiredBlobs(parseManifest(image))) await this.#getBlob(blob)
  }
}

function describePromise(kind: CacheKind, numRuns: number): void {
  it(`is kept by a mirror that keeps what it has in ${kind}`, async function () {
    this.timeout(180_000)
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, {minLength: 5, maxLength: 30}), async (steps) => {
        const mirror = await openMirror({kind})
        try {
          const client = new Client(mirror)
          for (const step of steps) await client.take(step)
          client.cut()
          await client.check()
          await mirror.restart()
          await client.check()
        } finally {
          await mirror.close()
        }
      }),
      {numRuns},
    )
  })
}

describe('the promise of a mirror', () => {
  describePromise('a disk', 25)
  describePromise('a registry', 8)
})
