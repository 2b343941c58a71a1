import assert from 'node:assert/strict'
import {join} from 'node:path'
import {setImmediate as nextTurn} from 'node:timers/promises'
import type {KeyRings} from '../../../src/lib/collector/key-ring.ts'
import type {ManagedRegistry} from '../../../src/lib/collector/objects.ts'
import {openCollectorStore} from '../../../src/lib/collector/sql/open.ts'
import type {CollectorStore} from '../../../src/lib/collector/store.ts'
import {type SweeperOptions, sweepNow} from '../../../src/lib/collector/sweeper.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import type {SweepSource} from '../../../src/lib/discovery/sweep-ports.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {ManualClock} from '../../support/manual-clock.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'

describe('sweeps of a registry', () => {
  const afterwards = cleanUpAfterwards()
  const clock = new ManualClock(Date.parse('2026-01-01T00:00:00Z'))
  let file: string
  let registry: ManagedRegistry

  async function openStore(): Promise<CollectorStore> {
    const store = await openCollectorStore({file})
    afterwards(() => store.close())
    return store
  }

  before(async () => {
    const temporary = await createTemporaryDirectory('sweeper')
    afterwards(temporary.remove)
    file = join(temporary.path, 'collector.db')
    const store = await openStore()
    // That of serve, which needs no proof.
    registry = await store.addManagedRegistry({
      ...{name: 'embedded', service: 'embedded', url: 'https://registry.example.com', insecure: false, restricted: false},
      ...{tokenHeader: 'x5c' as const, tokenLifeSeconds: 900},
    })
  })

  /** Lists one repository, and then nothing until it is let go. */
  function heldSource() {
    const {promise, resolve} = Promise.withResolvers<void>()
    let begun = 0
    const source: SweepSource = {
      async *listRepositories() {
        begun++
        yield parseRepositoryName('shop/web')
        await promise
      },
      async *listTags() {},
      statManifest: async () => undefined,
    }
    return {source, letGo: resolve, begun: () => begun}
  }

  /** A process of its own: its own connection to the database. */
  async function processWith(source: SweepSource): Promise<SweeperOptions> {
    return {
      store: await openStore(),
      keys: {} as KeyRings,
      issuer: 'holdfast',
      openSource: async () => source,
      openProbe: () => Promise.reject(new Error('it is not asked')),
      now: () => new Date(clock.now()),
      clock,
    }
  }

  async function untilBegun(held: {begun(): number}): Promise<void> {
    for (let turn = 0; turn < 1000 && held.begun() === 0; turn++) await nextTurn()
    assert.equal(held.begun(), 1)
  }

  it('exclude each other, the command line’s and the server’s, for as long as one takes', async () => {
    const held = heldSource()
    const server = await processWith(held.source)
    const commandLine = await processWith({...held.source})
    const first = sweepNow(registry, server)
    await untilBegun(held)
    // Longer than any lease lives: it was renewed.
    for (let minute = 0; minute < 10; minute++) await clock.advance(60_000)
    const second = sweepNow(registry, commandLine)
    second.catch(() => {})
    await clock.advance(10_000)
    assert.equal(held.begun(), 1, 'two sweeps at once')
    await clock.advance(30_000)
    await assert.rejects(second, (error) => {
      assert.ok(hasCode(error, 'CONFLICT'))
      assert.match(error.message, /^cannot sweep registry "embedded": another process sweeps it$/)
      return true
    })
    held.letGo()
    assert.equal((await first).complete, true)
    assert.equal((await sweepNow(registry, commandLine)).complete, true)
  })
})
