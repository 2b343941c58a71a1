import assert from 'node:assert/strict'
import {HoldfastError, RegistryError} from '../../../src/lib/core/errors.ts'
import {type SweepOptions, type SweepResult, sweepRegistry} from '../../../src/lib/discovery/sweep.ts'
import type {SweepSource} from '../../../src/lib/discovery/sweep-ports.ts'
import {type Digest, digestOf} from '../../../src/lib/oci/digest.ts'
import type {RepositoryName, Tag} from '../../../src/lib/oci/reference.ts'
import {ManualClock} from '../../support/manual-clock.ts'
import {MemoryIndex} from '../../support/memory-index.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const START_MS = Date.parse('2026-11-20T10:00:00Z')
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

const digest = (content: string): Digest => digestOf(Buffer.from(content))

function refusal(
  status: number,
  registryCode: string | undefined,
  code: 'REPOSITORY_NOT_FOUND' | 'UNAUTHENTICATED' | 'REGISTRY_UNAVAILABLE',
) {
  return new RegistryError(code, `cannot list: the registry answered ${status}`, {httpStatus: status, registryCode})
}

/** A registry in memory: repositories with tags, and what goes wrong where. */
class MemoryRegistry implements SweepSource {
  /** Tags with what they name; nothing for one that leads nowhere. */
  readonly repositories = new Map<string, Map<string, string>>()
  /** `catalog`, `tags of R` or `R:T`, called before it is answered. */
  trouble: (what: string) => void | Promise<void> = () => {}
  /** Tags asked about, in order. */
  asked: string[] = []
  atOnce = 0
  mostAtOnce = 0

  set(repository: string, tags: Readonly<Record<string, string>>): void {
    this.repositories.set(repository, new Map(Object.entries(tags)))
  }

  async *listRepositories(): AsyncGenerator<RepositoryName> {
    for (const name of [...this.repositories.keys()]) {
      await this.#answer(`catalog ${name}`)
      yield name as RepositoryName
    }
    await this.trouble('catalog end')
  }

  async *listTags(repository: RepositoryName): AsyncGenerator<Tag> {
    await this.#answer(`tags of ${repository}`)
    const tags = this.repositories.get(repository)
    if (tags === undefined) throw refusal(404, 'NAME_UNKNOWN', 'REPOSITORY_NOT_FOUND')
    for (const tag of tags.keys()) yield tag as Tag
  }

  async statManifest(repository: RepositoryName, tag: Tag) {
    this.asked.push(`${repository}:${tag}`)
    await this.#answer(`${repository}:${tag}`)
    const content = this.repositories.get(repository)?.get(tag)
    return !content ? undefined : {mediaType: MANIFEST, digest: digest(content), size: content.length}
  }

  async #answer(what: string): Promise<void> {
    this.atOnce++
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce)
    await new Promise((resolve) => setImmediate(resolve))
    this.atOnce--
    await this.trouble(what)
  }
}

function setUp() {
  const clock = new ManualClock(START_MS)
  const registry = new MemoryRegistry()
  const index = new MemoryIndex(() => clock.now())
  registry.set('shop/web', {v1: 'one', latest: 'one'})
  registry.set('shop/empty', {})
  registry.set('team/base', {v1: 'base'})
  const sweep = (options: SweepOptions = {}): Promise<SweepResult> => sweepRegistry(registry, index, {clock, ...options})
  return {clock, registry, index, sweep}
}

const WHOLE = {
  'shop/empty': '',
  'shop/web:latest': digest('one'),
  'shop/web:v1': digest('one'),
  'team/base:v1': digest('base'),
}

describe('a sweep', () => {
  it('fills an empty index with repositories and tags; a repository without tags is one as well', async () => {
    const {index, sweep} = setUp()
    assert.deepEqual(await sweep(), {
      complete: true,
      startedAt: '2026-11-20T10:00:00.000Z',
      repositories: 3,
      tags: 3,
      asked: 3,
      unreadable: 0,
      purged: {repositories: 0, tags: 0},
    })
    assert.deepEqual(index.content, WHOLE)
  })

  it('purges what it did not see, and keeps a repository that has lost its tags', async () => {
    const {clock, index, registry, sweep} = setUp()
    await sweep()
    await clock.advance(2 * MINUTE_MS)
    registry.set('shop/web', {latest: 'one'})
    registry.set('team/base', {})
    registry.repositories.delete('shop/empty')
    const result = await sweep()
    assert.ok(result.complete)
    assert.deepEqual(result.purged, {repositories: 1, tags: 2})
    assert.deepEqual(index.content, {'shop/web:latest': digest('one'), 'team/base': ''})
  })

  it('does not purge what an event told of while it ran', async () => {
    const {clock, index, registry, sweep} = setUp()
    registry.trouble = async (what) => {
      if (what !== 'catalog end') return
      const pushed = {repository: 'shop/new' as RepositoryName, tag: 'v1' as Tag, digest: digest('new'), mediaType: MANIFEST}
      await index.apply('internal', [{...pushed, kind: 'tag-set', at: new Date(clock.now()).toISOString()}])
      clock.pass(1000)
    }
    assert.ok((await sweep()).complete)
    assert.equal(index.content['shop/new:v1'], digest('new'))
  })

  it('does not write over what an event told of after the registry was asked', async () => {
    const {clock, index, registry, sweep} = setUp()
    registry.trouble = async (what) => {
      if (what !== 'team/base:v1') return
      // The answer is made before the push, and arrives after its event.
      clock.pass(1000)
      const pushed = {repository: 'team/base' as RepositoryName, tag: 'v1' as Tag, digest: digest('newer'), mediaType: MANIFEST}
      await index.apply('internal', [{...pushed, kind: 'tag-set', at: new Date(clock.now()).toISOString()}])
    }
    await sweep({concurrency: 1})
    assert.equal(index.content['team/base:v1'], digest('newer'))
  })

  it('asks no more than so much at once', async () => {
    for (const [concurrency, most] of [
      [undefined, 2],
      [1, 1],
      [3, 3],
    ] as const) {
      const {index, registry, sweep} = setUp()
      for (let position = 0; position < 20; position++) registry.set(`many/r${position}`, {v1: 'x', v2: 'y'})
      await sweep(concurrency === undefined ? {} : {concurrency})
      assert.equal(registry.mostAtOnce, most)
      assert.equal(Object.keys(index.content).length, 44)
    }
  })

  it('labels what carries attachments', async () => {
    const {index, registry, sweep} = setUp()
    const hex = 'a'.repeat(64)
    registry.set('shop/web', {v1: 'one', [`sha256-${hex}`]: 'list', [`sha256-${hex}.sig`]: 'signature'})
    await sweep()
    assert.equal(index.attachment('shop/web', 'v1'), undefined)
    assert.deepEqual(index.attachment('shop/web', `sha256-${hex}`), {kind: 'referrers', subject: `sha256:${hex}`})
    assert.equal(index.attachment('shop/web', `sha256-${hex}.sig`)?.kind, 'signature')
  })
})

describe('a sweep that asks what tags name', () => {
  it('does not ask again soon', async () => {
    const {clock, index, registry, sweep} = setUp()
    await sweep()
    registry.asked = []
    for (let round = 0; round < 10; round++) {
      await clock.advance(2 * MINUTE_MS)
      const result = await sweep()
      assert.equal(result.asked, 0)
      assert.equal(result.tags, 3)
    }
    assert.deepEqual(registry.asked, [])
    assert.deepEqual(index.content, WHOLE)
  })

  it('asks for each once in every half to whole hour, not for all of them in one sweep', async () => {
    const {clock, index, registry, sweep} = setUp()
    const tags = Object.fromEntries(Array.from({length: 100}, (_, position) => [`v${position}`, 'x']))
    registry.set('shop/web', tags)
    await sweep()
    const asked: number[] = []
    for (let atMs = 2 * MINUTE_MS; atMs <= HOUR_MS; atMs += 2 * MINUTE_MS) {
      await clock.advance(2 * MINUTE_MS)
      asked.push((await sweep()).asked)
    }
    assert.deepEqual(asked.slice(0, 14), Array(14).fill(0), 'nothing within half an hour')
    assert.ok(Math.max(...asked) < 25, `at most a quarter at once: ${asked}`)
    assert.equal(new Set(registry.asked).size, 101, 'tags of all repositories')
    assert.ok(asked.reduce((sum, count) => sum + count, 0) >= 101, 'each once at least')
    assert.equal(Object.keys(index.content).length, 102)
  })

  it('finds a tag that was moved without an event within the hour', async () => {
    const {clock, index, registry, sweep} = setUp()
    await sweep()
    registry.set('team/base', {v1: 'moved'})
    await clock.advance(2 * MINUTE_MS)
    await sweep()
    assert.equal(index.content['team/base:v1'], digest('base'), 'what it misses, as it says')
    await clock.advance(HOUR_MS)
    await sweep()
    assert.equal(index.content['team/base:v1'], digest('moved'))
  })

  it('does not believe what was learnt in the future, or at no time: a clock was wrong', async () => {
    const {clock, index, registry, sweep} = setUp()
    await sweep()
    const known = index.repositories.get('shop/web')?.tags
    for (const [tag, learntAt] of [
      ['v1', '2099-01-01T00:00:00.000Z'],
      ['latest', 'yesterday'],
    ] as const) {
      const row = known?.get(tag as Tag)
      assert.ok(row)
      row.learntAt = learntAt
    }
    registry.asked = []
    await clock.advance(MINUTE_MS)
    await sweep()
    assert.deepEqual(registry.asked, ['shop/web:v1', 'shop/web:latest'])
  })

  it('asks for all tags of a repository when a new one shows that events were lost, and for no others', async () => {
    const {clock, index, registry, sweep} = setUp()
    await sweep()
    await clock.advance(6 * MINUTE_MS)
    registry.asked = []
    registry.set('shop/web', {v1: 'one', v2: 'two', latest: 'two'})
    await sweep()
    assert.deepEqual(registry.asked.sort(), ['shop/web:latest', 'shop/web:v1', 'shop/web:v2'])
    assert.equal(index.content['shop/web:latest'], digest('two'))
  })

  it('does not take a tag that leads nowhere for lost events', async () => {
    const {clock, registry, sweep} = setUp()
    await sweep()
    await clock.advance(6 * MINUTE_MS)
    registry.asked = []
    registry.set('shop/web', {v1: 'one', latest: 'one', broken: ''})
    await sweep()
    assert.deepEqual(registry.asked, ['shop/web:broken'])
  })
})

describe('a sweep that cannot be completed', () => {
  const unavailable = refusal(500, undefined, 'REGISTRY_UNAVAILABLE')

  async function sweepAfter(trouble: (registry: MemoryRegistry) => void) {
    const {clock, index, registry, sweep} = setUp()
    registry.set('gone/soon', {v1: 'gone'})
    await sweep()
    const before = index.content
    await clock.advance(2 * MINUTE_MS)
    index.purges.length = 0
    registry.repositories.delete('gone/soon')
    trouble(registry)
    return {result: await sweep(), before, index, registry, sweep, clock}
  }

  for (const [name, what, error, code] of [
    ['the catalog breaks off', 'catalog team/base', unavailable, 'REGISTRY_UNAVAILABLE'],
    ['the catalog is refused', 'catalog shop/web', refusal(401, 'UNAUTHORIZED', 'UNAUTHENTICATED'), 'UNAUTHENTICATED'],
    ['the catalog breaks off at its very end', 'catalog end', unavailable, 'REGISTRY_UNAVAILABLE'],
    ['a list of tags breaks off', 'tags of shop/web', unavailable, 'REGISTRY_UNAVAILABLE'],
    ['one repository is refused', 'tags of shop/web', refusal(401, 'UNAUTHORIZED', 'UNAUTHENTICATED'), 'UNAUTHENTICATED'],
    ['a 404 is not the registry’s own', 'tags of shop/web', refusal(404, undefined, 'REPOSITORY_NOT_FOUND'), 'REPOSITORY_NOT_FOUND'],
  ] as const)
    it(`purges nothing when ${name}, and says so`, async () => {
      const {before, index, result} = await sweepAfter((registry) => {
        registry.trouble = (asked) => {
          if (asked === what) throw error
        }
      })
      assert.ok(!result.complete)
      assert.equal(result.reason.code, code)
      assert.deepEqual(index.content, before)
      assert.deepEqual(index.purges, [])
    })

  it('has written what it saw, and leaves the purge to the next that completes', async () => {
    const {clock, index, registry, sweep} = await sweepAfter((broken) => {
      broken.set('shop/later', {v1: 'later'})
      broken.trouble = (what) => {
        if (what === 'catalog end') throw unavailable
      }
    })
    assert.equal(index.content['shop/later:v1'], digest('later'))
    assert.equal(index.content['gone/soon:v1'], digest('gone'))
    registry.trouble = () => {}
    await clock.advance(2 * MINUTE_MS)
    assert.ok((await sweep()).complete)
    assert.equal(index.content['gone/soon:v1'], undefined)
  })

  it('passes over a repository that is refused and goes on with the others', async () => {
    const {index, result} = await sweepAfter((registry) => {
      registry.set('team/new', {v1: 'new'})
      registry.trouble = (what) => {
        if (what === 'tags of shop/web') throw refusal(401, 'UNAUTHORIZED', 'UNAUTHENTICATED')
      }
    })
    assert.ok(!result.complete)
    assert.equal(index.content['team/new:v1'], digest('new'))
  })

  it('gives up when one repository after the other is refused, and at once when the registry fails', async () => {
    for (const [error, most] of [
      [refusal(401, 'UNAUTHORIZED', 'UNAUTHENTICATED'), 11],
      [unavailable, 2],
    ] as const) {
      let lists = 0
      await sweepAfter((registry) => {
        for (let position = 0; position < 50; position++) registry.set(`many/r${position}`, {v1: 'x'})
        registry.trouble = (what) => {
          if (!what.startsWith('tags of')) return
          lists++
          throw error
        }
      })
      assert.ok(lists >= 1 && lists <= most, `${lists} lists were asked for`)
    }
  })

  it('forgets a repository that the catalog still names and the registry does not know, but only in a complete sweep', async () => {
    for (const isComplete of [true, false]) {
      const {index, result} = await sweepAfter((registry) => {
        registry.trouble = (what) => {
          if (what === 'tags of team/base') throw refusal(404, 'NAME_UNKNOWN', 'REPOSITORY_NOT_FOUND')
          if (what === 'catalog end' && !isComplete) throw unavailable
        }
      })
      assert.equal(result.complete, isComplete)
      assert.equal(index.content['team/base:v1'], isComplete ? undefined : digest('base'))
    }
  })

  it('stops at a signal, within the repositories that it is at', async () => {
    const {clock, index, registry, sweep} = setUp()
    await sweep()
    await clock.advance(2 * MINUTE_MS)
    const end = new AbortController()
    let lists = 0
    registry.trouble = (what) => {
      if (!what.startsWith('tags of')) return
      lists++
      end.abort()
    }
    for (let position = 0; position < 50; position++) registry.set(`many/r${position}`, {v1: 'x'})
    const result = await sweep({signal: end.signal, concurrency: 1})
    assert.ok(!result.complete)
    assert.equal(result.reason.code, 'INTERRUPTED')
    assert.equal(lists, 1)
    assert.equal(index.purges.length, 1, 'the one of the first sweep')
  })

  it('because of the index says so, and a bug is thrown', async () => {
    const {index, registry, sweep} = setUp()
    index.note = async () => {
      throw new HoldfastError('STORAGE', 'cannot write "index": the disk is full')
    }
    const result = await sweep()
    assert.ok(!result.complete)
    assert.equal(result.reason.code, 'STORAGE')
    registry.trouble = () => {
      throw new TypeError('a bug')
    }
    await assert.rejects(sweep(), TypeError)
    assert.deepEqual(index.purges, [])
  })
})

describe('a tag whose manifest cannot be read', () => {
  it('stays in the index as it was, does not keep the sweep from completing, and is counted', async () => {
    const {clock, index, registry, sweep} = setUp()
    await sweep()
    await clock.advance(2 * HOUR_MS)
    registry.trouble = (what) => {
      if (what === 'team/base:v1') throw new HoldfastError('INTEGRITY', 'cannot read manifest: it has another digest')
    }
    const result = await sweep()
    assert.ok(result.complete)
    assert.equal(result.unreadable, 1)
    assert.deepEqual(index.content, WHOLE)
  })
})
