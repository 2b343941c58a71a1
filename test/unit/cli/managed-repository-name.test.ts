import assert from 'node:assert/strict'
import {parseManagedRepository} from '../../../src/lib/cli/managed-repository-name.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

describe('REGISTRY/REPOSITORY', () => {
  it('is split at the first slash, and loses a tag or digest', () => {
    for (const end of ['', ':v1', `@sha256:${'0'.repeat(64)}`, `:v1@sha256:${'0'.repeat(64)}`]) {
      const expected = {registry: 'embedded', repository: 'users/ann/web'}
      assert.deepEqual(parseManagedRepository(`embedded/users/ann/web${end}`), expected, end)
    }
  })

  it('is refused without one of the two, with a command that works', () => {
    for (const [text, hint] of [
      ['internal', "holdfast search '' --registry internal"],
      ['internal/', 'holdfast registry managed'],
      ['/base', 'holdfast registry managed'],
      ['', 'holdfast registry managed'],
    ] as const) {
      assert.throws(
        () => parseManagedRepository(text),
        (error) => hasCode(error, 'USAGE') && error.hints[0] === hint,
        text,
      )
    }
  })
})
