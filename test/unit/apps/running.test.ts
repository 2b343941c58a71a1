/** What an app runs and what that is a copy of: the one decision that every command on apps builds on. */
import assert from 'node:assert/strict'
import {readAppNote, readCopy, writeAppNote, writeCopy} from '../../../src/lib/apps/annotations.ts'
import type {AppNote, Release} from '../../../src/lib/apps/platform.ts'
import {assertIsSource, judgeRelease, releaseBefore, whatRuns} from '../../../src/lib/apps/running.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {parseRegistryHost} from '../../../src/lib/oci/reference.ts'
import type {StagedImageRecord} from '../../../src/lib/records/store.ts'

const CACHE = parseRegistryHost('cache.example.com')
const DIGEST = `sha256:${'1'.repeat(64)}`
const copy = (guid: string, digest = DIGEST): string => `cache.example.com/0000000${guid}-0000-4000-8000-000000000000@${digest}`
const staged = (guid: string, source = 'docker.io/library/alpine:3.20'): StagedImageRecord => ({
  source,
  sourceDigest: DIGEST,
  cached: copy(guid),
  stagedAt: '2026-01-01T00:00:00.000Z',
})
const release = (image: string, more: Partial<Release> = {}): Release => ({id: 'd1', image, ...more})

describe('what an app runs', () => {
  const cases: readonly (readonly [string, Parameters<typeof whatRuns>[0], ReturnType<typeof whatRuns>])[] = [
    ['nothing, without a release', {release: undefined, note: {staged: staged('1')}}, {kind: 'nothing'}],
    ['the user’s image', {release: release('alpine:3.20'), note: undefined}, {kind: 'own', image: 'alpine:3.20', release: 'd1'}],
    [
      'an image that was pushed and never staged',
      {release: release('alpine:3.20', {id: ''}), note: undefined},
      {kind: 'own', image: 'alpine:3.20'},
    ],
    [
      'the source of a copy that was made and never ran',
      {release: release(copy('1'), {id: '', staged: staged('1')}), note: undefined},
      {kind: 'own', image: 'docker.io/library/alpine:3.20'},
    ],
    [
      'the copy that the release itself tells of, whatever the app’s note says',
      {release: release(copy('1'), {staged: staged('1', 'one:1')}), note: {staged: {...staged('1', 'two:2'), cached: copy('1')}}},
      {kind: 'copy', image: copy('1'), release: 'd1', staged: staged('1', 'one:1'), isMarked: true},
    ],
    [
      'the copy that only the note tells of',
      {release: release(copy('1')), note: {staged: staged('1')}},
      {kind: 'copy', image: copy('1'), release: 'd1', staged: staged('1'), isMarked: false},
    ],
    [
      'the copy that only this machine remembers',
      {release: release(copy('1')), note: {staged: staged('2')}, remembered: staged('1')},
      {kind: 'copy', image: copy('1'), release: 'd1', staged: staged('1'), isMarked: false},
    ],
    [
      'the user’s image, though the note tells of a copy that it does not run',
      {release: release('alpine:3.20'), note: {staged: staged('1')}},
      {kind: 'own', image: 'alpine:3.20', release: 'd1'},
    ],
    [
      'the user’s image, though the release tells of a copy: an administrator has given the droplet another image',
      {release: release('alpine:3.20', {staged: staged('1')}), note: undefined},
      {kind: 'own', image: 'alpine:3.20', release: 'd1'},
    ],
    [
      'a copy of something unknown, in the cache that another copy of the app is in',
      {release: release(copy('1')), note: {staged: staged('2')}},
      {kind: 'orphan', image: copy('1'), release: 'd1'},
    ],
    [
      'a copy of something unknown, in the cache that is worked with',
      {release: release(copy('1')), note: undefined, registry: CACHE},
      {kind: 'orphan', image: copy('1'), release: 'd1'},
    ],
    [
      'a copy of something unknown, where the source that is noted is a copy itself',
      {release: release(copy('1')), note: {staged: staged('1', copy('2'))}},
      {kind: 'orphan', image: copy('1'), release: 'd1'},
    ],
    [
      'the user’s image in another repository of the cache',
      {release: release(`cache.example.com/team/web@${DIGEST}`), note: {staged: staged('1')}, registry: CACHE},
      {kind: 'own', image: `cache.example.com/team/web@${DIGEST}`, release: 'd1'},
    ],
    [
      'the user’s image in a repository of that form elsewhere',
      {release: release(`ttl.example.com/00000001-0000-4000-8000-000000000000@${DIGEST}`), note: {staged: staged('1')}, registry: CACHE},
      {kind: 'own', image: `ttl.example.com/00000001-0000-4000-8000-000000000000@${DIGEST}`, release: 'd1'},
    ],
    ['what is no reference, as it is', {release: release('!'), note: {staged: staged('1')}}, {kind: 'own', image: '!', release: 'd1'}],
  ]
  for (const [title, evidence, expected] of cases) it(`is ${title}`, () => assert.deepEqual(whatRuns(evidence), expected))

  it('asks this machine only for what nothing else tells', async () => {
    const asked: string[] = []
    const findCopy = async (image: string) => {
      asked.push(image)
      return staged('1')
    }
    const app = {id: 'a', name: 'shop'}
    assert.equal((await judgeRelease(app, release('alpine:3.20'), {findCopy})).kind, 'own')
    assert.equal((await judgeRelease(app, release(copy('1'), {staged: staged('1')}), {findCopy})).kind, 'copy')
    assert.deepEqual(asked, [])
    assert.equal((await judgeRelease(app, release(copy('1')), {findCopy})).kind, 'copy')
    assert.deepEqual(asked, [copy('1')])
  })
})

describe('the release before', () => {
  const cases: readonly (readonly [string, string | undefined, AppNote | undefined, string | undefined])[] = [
    ['is unknown without a note', 'd1', undefined, undefined],
    ['is the noted one', 'd2', {release: 'd2', previous: 'd1'}, 'd1'],
    ['is the noted one of an older version', 'd2', {previous: 'd1'}, 'd1'],
    ['is unknown where an older version noted what runs', 'd1', {previous: 'd1'}, undefined],
    ['is what ran when another tool has moved the app', 'd3', {release: 'd2', previous: 'd1'}, 'd2'],
    ['is what ran when another tool went back', 'd1', {release: 'd2', previous: 'd1'}, 'd2'],
    [
      'is that of a move that was stopped and has come through',
      'd3',
      {release: 'd2', previous: 'd1', pending: {to: 'd3', previous: 'd2'}},
      'd2',
    ],
    [
      'stays the noted one when a move has not come through',
      'd2',
      {release: 'd2', previous: 'd1', pending: {to: 'd3', previous: 'd2'}},
      'd1',
    ],
  ]
  for (const [title, current, note, expected] of cases) it(title, () => assert.equal(releaseBefore(current, note), expected))
})

describe('an image to cache', () => {
  const app = {id: 'a', name: 'shop', note: {staged: staged('1')}}
  const remembers = async (image: string) => (image.includes('/00000003-') ? staged('3', 'three:3') : undefined)
  for (const [image, source] of [
    [copy('1'), 'docker.io/library/alpine:3.20'],
    [copy('1').replace(DIGEST, `sha256:${'2'.repeat(64)}`), 'docker.io/library/alpine:3.20'],
    [copy('3'), 'three:3'],
  ] as const) {
    it(`is no copy that is known: ${image}`, async () => {
      await assert.rejects(assertIsSource(app, image, {findCopy: remembers}, {kind: 'nothing'}), (error: Error) => {
        assert.ok(hasCode(error, 'USAGE'))
        return error.message.endsWith(`it is a cached copy of "${source}"`)
      })
    })
  }
  it('may be in any other repository of the cache', async () => {
    await assertIsSource(app, `cache.example.com/team/web@${DIGEST}`, {findCopy: remembers}, {kind: 'nothing'})
    await assertIsSource(app, copy('4'), {findCopy: remembers}, {kind: 'nothing'})
  })
})

describe('annotations', () => {
  it('give back what was written, on an app and on a release, with every part and with none', () => {
    const full: AppNote = {staged: staged('1'), release: 'd2', previous: 'd1', pending: {to: 'd3', previous: 'd2'}}
    for (const note of [full, {release: 'd1'}, {pending: {to: 'd3'}}, {staged: staged('1')}]) {
      const written = Object.entries(writeAppNote(note)).filter((entry): entry is [string, string] => entry[1] !== null)
      assert.deepEqual(readAppNote(Object.fromEntries(written)), note)
    }
    assert.deepEqual(readCopy(writeCopy(staged('1'))), staged('1'))
    assert.equal(readCopy(writeCopy(undefined)), undefined)
    assert.equal(readAppNote({'someone-else': 'x'}), undefined)
  })
  it('are all taken away when the app is let go', () => {
    assert.deepEqual(new Set(Object.values(writeAppNote(undefined))), new Set([null]))
  })
})
