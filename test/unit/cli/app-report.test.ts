/** What is said of apps names commands that work. */
import assert from 'node:assert/strict'
import type {AppStatus} from '../../../src/lib/apps/app-status.ts'
import {describeStatus, repairHints} from '../../../src/lib/cli/app-report.ts'

describe('the report of an app', () => {
  const linesOf = (more: Partial<AppStatus>): string =>
    describeStatus({app: 'shop', isCached: false, isPinned: false, hasOptedIn: true, ...more}).join('\n')

  it('names the command that stages its image', () => {
    assert.match(linesOf({image: 'r.example.com/shop/web:v1'}), /opted in, not cached: holdfast stage shop, not pinned$/m)
  })

  it('asks for its image where what it runs has the name of a copy whose source is not known', () => {
    const image = `r.example.com/0b0e3a1c-6f0f-4d3a-9c57-0d2f6f1f4c11@sha256:${'a'.repeat(64)}`
    assert.match(linesOf({image}), /opted in, not cached: holdfast stage shop --image IMAGE, not pinned$/m)
  })

  it('does not offer a release that the platform has deleted', () => {
    const image = 'r.example.com/shop/web:v1'
    assert.match(linesOf({image, previous: 'one'}), /^previous: +one$/m)
    assert.match(linesOf({image, previous: 'one', isPreviousGone: true}), /^previous: +one, which the platform has deleted: /m)
  })

  it('of a check names staging for a copy that is gone, new credentials for one that is refused, and nothing that would not help', () => {
    const check = {app: 'shop', isCached: true, tried: 'build'} as const
    assert.deepEqual(repairHints([{...check, verdict: 'gone', space: 'acme/dev'}]), ['holdfast stage shop   # in space acme/dev'])
    assert.deepEqual(repairHints([{...check, verdict: 'refused'}]), [
      'holdfast rotate-credentials shop --pull-username NAME --pull-password-stdin < FILE',
    ])
    assert.deepEqual(repairHints([{...check, verdict: 'unreachable'}]), [])
    assert.deepEqual(repairHints([{...check, isCached: false, verdict: 'gone'}]), [])
  })
})
