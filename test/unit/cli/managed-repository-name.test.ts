import assert from 'node:assert/strict'
import {parseManagedRepository} from '../../../src/lib/cli/managed-repository-name.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

describe('REGISTRY/REPOSITORY', () => {
  it('is split at the first slash, and loses a tag or digest', () => {
    for (const end of ['', ':v1', `@sha256:${'0'.repeat(64)}`, `:v1@sha256:${'0'.repeat(64)}`]) {
      const expected = {registry: 'embedded', repository: 'users/ann/web'}
      assert.deepEqual(parseManagedRepository(`embedded/users/ann/web${end}`, 'repository show'), expected, end)
    }
  })

  it('is refused without one of the two, with a command that works', () => {
    for (const [text, hint] of [
      ['internal', 'holdfast repository show internal/apps/shop/web'],
      ['internal/', 'holdfast repository show embedded/apps/shop/web'],
      ['/base', 'holdfast repository show embedded/apps/shop/web'],
      ['', 'holdfast repository show embedded/apps/shop/web'],
    ] as const) {
      assert.throws(
        () => parseManagedRepository(text, 'repository show'),
        (error) => hasCode(error, 'USAGE') && error.hints[0] === hint,
        text,
      )
    }
  })
})
