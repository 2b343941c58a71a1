import assert from 'node:assert/strict'
import {mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {CallOptions, ContentStore, ListTagsOptions} from '../../../src/lib/content/store.ts'
import {HalfDoneError, HoldfastError, hasCode, interrupted} from '../../../src/lib/core/errors.ts'
import {type Digest, digestOf} from '../../../src/lib/oci/digest.ts'
import {isTag, parseReference, type RepositoryName, type Tag} from '../../../src/lib/oci/reference.ts'
import {deleteTag} from '../../../src/lib/tags/delete-tag.ts'
import {createDeletionJournal} from '../../../src/lib/tags/deletion-journal.ts'
import {addImage} from '../../support/memory-images.ts'
import {MemoryStore} from '../../support/memory-store.ts'

const IMAGE = 'registry.example/shop/web:v1'
const {registry, repository} = parseReference(IMAGE)
const [V1, V2] = ['v1' as Tag, 'v2' as Tag]
const mayDelete = async () => false

type Cut = 'before' | 'after'

/** As distribution 2.8: manifests are deleted with their tags, tags alone are not; fails at one call, or from it on. */
class CuttingStore extends MemoryStore implements ContentStore {
  calls = 0
  cut: {readonly at: number; readonly when: Cut; readonly isLasting: boolean} | undefined

  override statManifest(name: RepositoryName, reference: Tag | Digest) {
    return this.#call(() => super.statManifest(name, reference))
  }

  override readManifest(name: RepositoryName, reference: Tag | Digest) {
    return this.#call(() => super.readManifest(name, reference))
  }

  override writeManifest(...call: Parameters<MemoryStore['writeManifest']>) {
    return this.#call(() => super.writeManifest(...call))
  }

  override writeBlob(...call: Parameters<MemoryStore['writeBlob']>) {
    return this.#call(() => super.writeBlob(...call))
  }

  deletesTags = false

  deleteTag(name: RepositoryName, tag: Tag): Promise<boolean> {
    return this.#call(async () => {
      if (this.deletesTags) return this.repository(name).tags.delete(tag)
      throw new HoldfastError('UNSUPPORTED', 'tags are not deleted here')
    })
  }

  deleteManifest(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#call(async () => {
      const {manifests, tags} = this.repository(name)
      for (const [tag, named] of tags) if (named === digest) tags.delete(tag)
      return manifests.delete(digest)
    })
  }

  async deleteBlob(): Promise<boolean> {
    return false
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    const call = ++this.calls
    const isCut = this.cut !== undefined && (call === this.cut.at || (this.cut.isLasting && call > this.cut.at))
    const isDone = !isCut || (call === this.cut?.at && this.cut.when === 'after')
    const outcome = isDone ? await work() : undefined
    if (isCut) throw new HoldfastError('NETWORK', 'the connection broke')
    return outcome as T
  }
}

describe('deleting a tag by a placeholder', () => {
  let directory: string
  const journal = () => createDeletionJournal(join(directory, 'journal'))

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-delete-tag-'))
  })

  afterEach(() => rmSync(directory, {recursive: true}))

  const filled = () => {
    const store = new CuttingStore()
    const {digest} = addImage(store, IMAGE, ['layer'])
    store.repository(repository).tags.set(V2, digest)
    return {store, digest, tags: store.repository(repository).tags}
  }
  const run = (store: CuttingStore) => deleteTag({registry, repository, tag: V1}, store, {journal: journal(), mayDelete})
  const entries = () => {
    try {
      return readdirSync(join(directory, 'journal'))
    } catch {
      return []
    }
  }

  it('leaves its siblings and no entry of the journal', async () => {
    const {store, digest, tags} = filled()
    assert.equal((await run(store)).digest, digest)
    assert.deepEqual([...tags], [[V2, digest]])
    assert.deepEqual(entries(), [])
  })

  it('leaves the tag deleted or as it was after any cut, or says what it may name and is finished by the next run', async () => {
    const whole = filled()
    await run(whole.store)
    const calls = whole.store.calls
    assert.ok(calls >= 7, String(calls))
    let unfinished = 0
    for (let at = 1; at <= calls; at++)
      for (const when of ['before', 'after'] as const)
        for (const isLasting of [false, true]) {
          const {store, digest, tags} = filled()
          store.cut = {at, when, isLasting}
          const error = await run(store).then(
            () => undefined,
            (cause: unknown) => cause,
          )
          const place = JSON.stringify(store.cut)
          const left = tags.get(V1)
          if (error === undefined) assert.equal(left, undefined, place)
          if (left !== undefined && left !== digest) {
            unfinished++
            assert.ok(error instanceof HoldfastError && error.message.includes(left) && error.message.includes(digest), place)
            assert.ok(
              error.hints.some((hint) => hint === `holdfast copy registry.example/shop/web@${digest} ${IMAGE}   # puts the tag back`),
              place,
            )
            assert.equal(entries().length, 1, place)
          }
          store.cut = undefined
          await run(store).catch((cause: unknown) => assert.ok(hasCode(cause, 'MANIFEST_NOT_FOUND'), `${place}: ${cause}`))
          assert.deepEqual([...tags], [[V2, digest]], place)
          assert.deepEqual(entries(), [], place)
        }
    assert.ok(unfinished > 0, 'no cut left the tag on the placeholder')
  })

  /** Fails to delete the placeholder; takes so many writes of manifests, and loses those after them. */
  class StubbornStore extends CuttingStore {
    kept = Number.POSITIVE_INFINITY

    override async writeManifest(...call: Parameters<MemoryStore['writeManifest']>) {
      if (this.kept-- > 0) await super.writeManifest(...call)
    }

    override async deleteManifest(name: RepositoryName, digest: Digest) {
      if (this.repository(name).manifests.has(digest)) throw new HoldfastError('NETWORK', 'the connection broke')
      return await super.deleteManifest(name, digest)
    }
  }

  it('puts the tag back when the placeholder cannot be deleted', async () => {
    const store = new StubbornStore()
    const {digest} = addImage(store, IMAGE, ['layer'])
    await assert.rejects(run(store), {code: 'NETWORK', message: 'the connection broke'})
    assert.equal(store.repository(repository).tags.get(V1), digest)
    assert.deepEqual(entries(), [])
  })

  it('says that deleting is refused, and not that whole manifests are deleted, when the placeholder may be written only', async () => {
    const {store, digest, tags} = filled()
    const deleteManifest = store.deleteManifest.bind(store)
    store.deleteManifest = async (name, one) => {
      if (store.repository(name).manifests.has(one)) throw new HoldfastError('DENIED', 'cannot delete manifest: 403')
      return await deleteManifest(name, one)
    }
    await assert.rejects(run(store), {code: 'DENIED', message: 'cannot delete manifest: 403'})
    assert.deepEqual([tags.get(V1), tags.get(V2)], [digest, digest])
    assert.deepEqual(entries(), [])
  })

  it('believes that the tag is back only once the registry says so', async () => {
    const store = new StubbornStore()
    const {digest} = addImage(store, IMAGE, ['layer'])
    store.kept = 1
    await assert.rejects(run(store), (error) => error instanceof HoldfastError && error.message.includes('it may name the empty image'))
    assert.notEqual(store.repository(repository).tags.get(V1), digest)
    assert.equal(entries().length, 1, 'the next run knows what the tag named')
  })

  it('drops an entry that another client has overtaken, and deletes what the tag names now', async () => {
    const {store, digest, tags} = filled()
    const original = await store.readManifest(repository, V2)
    assert.ok(original)
    await journal().write(IMAGE, {original, placeholder: digestOf(Buffer.from('another image'))})
    assert.equal((await run(store)).digest, digest)
    assert.deepEqual([...tags], [[V2, digest]])
    assert.deepEqual(entries(), [])
  })

  it('keeps its entry when the write of the empty image was cut off and may still arrive, and the next run finishes either way', async () => {
    for (const arrives of [true, false]) {
      const {store, digest, tags} = filled()
      const write = store.writeManifest.bind(store)
      let late = async (): Promise<void> => {}
      store.writeManifest = async (...call) => {
        late = () => write(...call)
        store.writeManifest = write
        throw new HoldfastError('NETWORK', 'the connection broke')
      }
      await assert.rejects(run(store), {code: 'NETWORK'})
      assert.equal(tags.get(V1), digest)
      assert.equal(entries().length, 1)
      if (arrives) await late()
      await run(store)
      assert.deepEqual([...tags], [[V2, digest]])
      assert.deepEqual(entries(), [])
    }
  })

  it('that the registry deletes by name counts as deleted when only the answer was lost, and is unknown when nothing can be seen', async () => {
    for (const when of ['before', 'after'] as const)
      for (const isLasting of [false, true]) {
        const {store, tags} = filled()
        store.deletesTags = true
        // The second call, after the read.
        store.cut = {at: 2, when, isLasting}
        const outcome = await run(store).then(
          () => 'deleted',
          (error: unknown) => (error instanceof HalfDoneError ? 'unknown' : 'failed'),
        )
        assert.equal(outcome, isLasting ? 'unknown' : when === 'after' ? 'deleted' : 'failed')
        assert.equal(tags.has(V1), when === 'before')
      }
  })

  for (const [what, isCarriedOut, isAnswered] of [
    ['counts as deleted when a signal comes before the answer to a deletion by name', true, false],
    ['counts as deleted when a signal comes right after that answer', true, true],
    ['is not said to name what it named while the registry may still delete it', false, false],
  ] as const) {
    it(what, async () => {
      const stop = new AbortController()
      class Stopped extends CuttingStore {
        override async deleteTag(name: RepositoryName, tag: Tag): Promise<boolean> {
          stop.abort()
          if (isCarriedOut) this.repository(name).tags.delete(tag)
          if (!isAnswered) throw interrupted()
          return true
        }

        override async statManifest(name: RepositoryName, reference: Tag | Digest, options: CallOptions = {}) {
          if (options.signal?.aborted) throw interrupted()
          return await super.statManifest(name, reference)
        }
      }
      const store = new Stopped()
      addImage(store, IMAGE, ['layer'])
      const done = deleteTag({registry, repository, tag: V1}, store, {journal: journal(), mayDelete, signal: stop.signal})
      if (isCarriedOut) assert.equal((await done).reference, IMAGE)
      else await assert.rejects(done, (error) => error instanceof HalfDoneError && /may be carried out yet$/.test(error.message))
    })
  }

  it('changes nothing when it cannot be written down first', async () => {
    const {store, digest, tags} = filled()
    writeFileSync(join(directory, 'journal'), 'a file')
    await assert.rejects(run(store), {code: 'STORAGE', message: /nothing was changed$/})
    assert.deepEqual(
      store.log.filter((line) => line.startsWith('put-')),
      [],
    )
    assert.equal(tags.get(V1), digest)
  })
})

/** As a registry that deletes manifests by digest, and takes no placeholder; every tag in `listed` is in its list. */
class DigestStore extends CuttingStore {
  readonly listed: string[] = []
  readonly takesPlaceholder: boolean = false
  running = 0
  mostRunning = 0
  looked = 0

  override async writeBlob(...call: Parameters<MemoryStore['writeBlob']>): ReturnType<MemoryStore['writeBlob']> {
    if (!this.takesPlaceholder) throw new HoldfastError('UNSUPPORTED', 'no such blob is taken')
    return await super.writeBlob(...call)
  }

  override async statManifest(name: RepositoryName, reference: Tag | Digest) {
    this.looked++
    this.mostRunning = Math.max(this.mostRunning, ++this.running)
    await new Promise((resolve) => setImmediate(resolve))
    this.running--
    return await super.statManifest(name, reference)
  }

  override async *listTags(_: RepositoryName, {onInvalid}: ListTagsOptions = {}) {
    for (const name of this.listed) {
      if (isTag(name)) yield name
      else onInvalid?.(name)
    }
  }
}

describe('deleting a tag with its manifest', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-delete-tag-'))
  })

  afterEach(() => rmSync(directory, {recursive: true}))

  const filled = (store: DigestStore) => {
    const {digest} = addImage(store, IMAGE, ['layer'])
    store.listed.push(V1)
    return digest
  }
  const run = (store: DigestStore, mayDelete: (siblings: readonly string[]) => Promise<boolean> = async () => false) => {
    let searches = 0
    const options = {journal: createDeletionJournal(join(directory, 'journal')), mayDelete, onSearch: () => void searches++}
    return {done: deleteTag({registry, repository, tag: V1}, store, options), searches: () => searches}
  }

  it('looks up every tag once, a few at a time, however many there are, and names the siblings', async () => {
    const store = new DigestStore()
    const digest = filled(store)
    for (let index = 0; index < 5000; index++) store.listed.push(`t${index}`)
    store.listed.push(V2)
    store.repository(repository).tags.set(V2, digest)
    const {done, searches} = run(store)
    await assert.rejects(done, (error) => hasCode(error, 'CONFLICT') && / v2 name the same one$/.test(error.message))
    assert.equal(searches(), 1)
    assert.ok(store.mostRunning <= 16, `${store.mostRunning} at once`)
    assert.ok(store.looked < 5100, `${store.looked} lookups`)
    assert.equal(store.repository(repository).tags.get(V2), digest)
  })

  it('does not delete a manifest that a tag may name which cannot be asked for, unless that may go', async () => {
    const store = new DigestStore()
    filled(store)
    const name = 'x'.repeat(200)
    store.listed.push(name)
    await assert.rejects(run(store).done, (error) => hasCode(error, 'CONFLICT') && /is not a valid tag, may name it$/.test(error.message))
    const asked: string[] = []
    const {done} = run(store, async (siblings) => asked.push(...siblings) > 0)
    assert.partialDeepStrictEqual(await done, {manifestDeleted: true, siblings: []})
    assert.deepEqual(asked, [name])
  })

  it('looks up no other tag where the tag alone can be deleted, by its name or by a placeholder', async () => {
    class ByName extends DigestStore {
      override async deleteTag(): Promise<boolean> {
        return this.repository(repository).tags.delete(V1)
      }
    }
    class ByPlaceholder extends DigestStore {
      override readonly takesPlaceholder = true
    }
    for (const store of [new ByName(), new ByPlaceholder()]) {
      filled(store)
      for (let index = 0; index < 100; index++) store.listed.push(`t${index}`)
      const {done, searches} = run(store)
      assert.partialDeepStrictEqual(await done, {manifestDeleted: false})
      assert.equal(searches(), 0)
      assert.ok(store.looked < 10, `${store.looked} lookups`)
    }
  })
})
