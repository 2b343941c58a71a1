import assert from 'node:assert/strict'
import fc from 'fast-check'
import {type EvictionCandidate, evictionOrder, evictionTarget} from '../../../src/lib/content/pull-through/eviction/policy.ts'
import {advanceUsage, type UsageTimes} from '../../../src/lib/content/pull-through/eviction/usage-clock.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName, parseTag} from '../../../src/lib/oci/reference.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOW = 1_000 * DAY
const LONG_AGO: UsageTimes = {sinceMs: 0, resumedMs: 0, seenMs: NOW}

function candidate(repository: string, usedDaysAgo: number, tag = 'v1'): EvictionCandidate {
  const digest = digestOf(Buffer.from(`${repository}:${tag}`))
  const image = {
    repository: parseRepositoryName(repository),
    digest,
    tags: [parseTag(tag)],
    manifests: [digest],
    blobs: new Map(),
    ownBlobs: [],
    sizeBytes: 1,
    missingPlatforms: 0,
    isComplete: true,
  }
  return {upstream: 'ghcr.io', image, lastUsedMs: NOW - usedDaysAgo * DAY}
}

const named = (order: ReturnType<typeof evictionOrder>) =>
  order.map(({candidate: {image}, isUnused}) => `${image.repository}${isUnused ? ' unused' : ''}`)

describe('the order of eviction', () => {
  it('is least recently used first, and says what was unused for too long', () => {
    const candidates = [candidate('a', 10), candidate('b', 100), candidate('c', 50)]
    assert.deepEqual(named(evictionOrder(candidates, {keep: [], maxUnusedMs: 30 * DAY}, LONG_AGO, NOW)), ['b unused', 'c unused', 'a'])
  })

  it('has nothing that was served in the last 24 hours', () => {
    const candidates = [candidate('a', 0), candidate('b', 0.5), candidate('c', 1), candidate('d', 1.1), candidate('future', -3)]
    assert.deepEqual(named(evictionOrder(candidates, {keep: []}, LONG_AGO, NOW)), ['d'])
  })

  it('has nothing that a pattern keeps, with or without the name of the upstream, by repository, tag or digest', () => {
    const digest = candidate('team/d', 9).image.digest
    const candidates = [
      candidate('team/a', 9),
      candidate('team/b', 9, 'v2'),
      candidate('acme/deep/c', 9),
      candidate('team/d', 9),
      candidate('x', 9),
    ]
    for (const [keep, left] of [
      [['team/*'], ['acme/deep/c', 'x']],
      [['ghcr.io/team/*:v2'], ['acme/deep/c', 'team/a', 'team/d', 'x']],
      [
        ['acme/**', 'x'],
        ['team/a', 'team/b', 'team/d'],
      ],
      [['**'], []],
      [['docker.io/**'], ['acme/deep/c', 'team/a', 'team/b', 'team/d', 'x']],
      [[`team/d@${digest}`], ['acme/deep/c', 'team/a', 'team/b', 'x']],
    ] as const) {
      assert.deepEqual(named(evictionOrder(candidates, {keep}, LONG_AGO, NOW)).sort(), left, keep.join())
    }
  })

  it('reads patterns as references are written: without library/ of Docker Hub, and with the port of an upstream', () => {
    const hub = {...candidate('library/alpine', 9), upstream: 'docker.io'}
    const local = {...candidate('team/a', 9), upstream: 'localhost:5000'}
    for (const keep of ['alpine', 'alpine:v1', 'docker.io/alpine', 'library/alpine', 'docker.io/library/*']) {
      assert.deepEqual(named(evictionOrder([hub], {keep: [keep]}, LONG_AGO, NOW)), [], keep)
    }
    for (const keep of ['localhost:5000/team/*', 'localhost:5000/**', 'localhost:5000/team/a:v1']) {
      assert.deepEqual(named(evictionOrder([local], {keep: [keep]}, LONG_AGO, NOW)), [], keep)
    }
    assert.deepEqual(named(evictionOrder([local], {keep: ['alpine', 'localhost:5000/team/a:v2']}, LONG_AGO, NOW)), ['team/a'])
  })

  it('counts nothing as unused from before uses were recorded', () => {
    const policy = {keep: [], maxUnusedMs: 30 * DAY}
    const since = {...LONG_AGO, sinceMs: NOW - 5 * DAY}
    assert.deepEqual(named(evictionOrder([candidate('a', 100)], policy, since, NOW)), ['a'])
    assert.deepEqual(named(evictionOrder([candidate('a', 100)], policy, {...LONG_AGO, resumedMs: NOW - HOUR}, NOW)), [])
  })

  it('never has what must stay, whatever the times', () => {
    const times = fc.record({
      used: fc.integer({min: -10, max: 2_000}),
      since: fc.integer({min: 0, max: 1_000}),
      resumed: fc.integer({min: 0, max: 1_000}),
    })
    fc.assert(
      fc.property(fc.array(times, {maxLength: 8}), fc.integer({min: 1, max: 400}), (all, maxUnused) => {
        for (const {used, since, resumed} of all) {
          const usage = {sinceMs: since * DAY, resumedMs: resumed * DAY, seenMs: NOW}
          const order = evictionOrder(
            [candidate('a', used), candidate('kept', used)],
            {keep: ['kept'], maxUnusedMs: maxUnused * DAY},
            usage,
            NOW,
          )
          assert.ok(
            order.every(
              ({candidate: {image, lastUsedMs}}) => image.repository !== 'kept' && NOW - lastUsedMs > DAY && NOW - resumed * DAY > DAY,
            ),
          )
          for (const {
            isUnused,
            candidate: {lastUsedMs},
          } of order)
            if (isUnused) assert.ok(NOW - Math.max(lastUsedMs, since * DAY) > maxUnused * DAY)
        }
      }),
    )
  })
})

describe('the target of eviction', () => {
  it('leaves room for new images, and for one that was refused', () => {
    assert.equal(evictionTarget({keep: []}, 1_000, 500), Number.POSITIVE_INFINITY)
    assert.equal(evictionTarget({keep: [], maxSizeBytes: 1_000}, 990, 0), 900)
    assert.equal(evictionTarget({keep: [], maxSizeBytes: 1_000}, 990, 300), 690)
    assert.equal(evictionTarget({keep: [], maxSizeBytes: 1_000}, 990, 3_000), 0)
  })
})

describe('the times of use', () => {
  const at = (wallMs: number, monotonicMs = wallMs) => ({wallMs, monotonicMs})
  const known: UsageTimes = {sinceMs: 1, resumedMs: 2, seenMs: NOW}

  it('begin when they are first recorded', () => {
    assert.deepEqual(advanceUsage(undefined, at(NOW)), {sinceMs: NOW, resumedMs: NOW, seenMs: NOW})
  })

  it('go on through a restart', () => {
    assert.deepEqual(advanceUsage(known, at(NOW + HOUR)), {...known, seenMs: NOW + HOUR})
  })

  it('protect everything for a day after a longer stop, and start again after a week', () => {
    const later = NOW + 2 * DAY
    assert.deepEqual(advanceUsage(known, at(later)), {sinceMs: 1, resumedMs: later, seenMs: later})
    const muchLater = NOW + 8 * DAY
    assert.deepEqual(advanceUsage(known, at(muchLater)), {sinceMs: muchLater, resumedMs: muchLater, seenMs: muchLater})
  })

  it('start again when the clock was set while the mirror ran', () => {
    const jumped = advanceUsage(known, at(NOW + 3 * DAY, 5), at(NOW, 0))
    assert.deepEqual(jumped, {sinceMs: NOW + 3 * DAY, resumedMs: NOW + 3 * DAY, seenMs: NOW + 3 * DAY})
  })

  it('are not known while the clock shows a time before the last one', () => {
    assert.equal(advanceUsage(known, at(NOW - 2 * HOUR)), undefined)
    assert.deepEqual(advanceUsage(known, at(NOW - 60_000)), known)
  })
})
