import assert from 'node:assert/strict'
import {editDistance, suggest} from '../../../src/lib/cli/suggestion.ts'

const COMMANDS = ['cache-image', 'cached', 'copy', 'cp', 'inspect', 'registry add', 'serve']

describe('a suggestion', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['cahced', 'cached'],
    ['cache-imge', 'cache-image'],
    ['Serve', 'serve'],
    ['insp', 'inspect'],
    ['registry ad', 'registry add'],
    ['frobnicate', undefined],
    ['xyz', undefined],
  ]
  for (const [typed, meant] of cases) {
    it(`for "${typed}" is ${meant === undefined ? 'not made' : `"${meant}"`}`, () => assert.equal(suggest(typed, COMMANDS), meant))
  }

  it('counts a swap of neighbours as one edit', () => {
    assert.equal(editDistance('srever', 'server'), 1)
    assert.equal(editDistance('', 'abc'), 3)
    assert.equal(editDistance('kitten', 'sitting'), 3)
  })
})
