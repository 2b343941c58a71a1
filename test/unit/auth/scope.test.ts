import assert from 'node:assert/strict'
import fc from 'fast-check'
import {coversScopes, formatScope, mergeScopes, parseScopes, repositoryScope, type Scope} from '../../../src/lib/auth/scope.ts'

const name = fc.stringMatching(/^[a-z0-9]{1,6}(\/[a-z0-9]{1,6}){0,2}$/)
const scope: fc.Arbitrary<Scope> = fc
  .tuple(name, fc.uniqueArray(fc.constantFrom('pull', 'push', 'delete', '*'), {minLength: 1}))
  .map(([repository, actions]) => repositoryScope(repository, ...actions))

describe('token scopes', () => {
  it('may name a registry with a port, since the name ends at the last colon', () => {
    assert.deepEqual(parseScopes('repository:host:5000/a/b:push,pull'), [
      {type: 'repository', name: 'host:5000/a/b', actions: ['pull', 'push']},
    ])
  })

  it('leave out what is no scope', () => {
    assert.deepEqual(parseScopes('nonsense a: :b: repository:a:pull'), [{type: 'repository', name: 'a', actions: ['pull']}])
  })

  it('are one for each resource after merging', () => {
    const merged = mergeScopes([repositoryScope('b', 'pull'), repositoryScope('a', 'push')], [repositoryScope('a', 'pull', 'push')])
    assert.deepEqual(merged.map(formatScope), ['repository:a:pull,push', 'repository:b:pull'])
  })

  it('cover no other repository, type or action', () => {
    const held = [repositoryScope('a', 'pull')]
    assert.equal(coversScopes(held, [repositoryScope('a', 'pull')]), true)
    assert.equal(coversScopes(held, [repositoryScope('a', 'pull', 'push')]), false)
    assert.equal(coversScopes(held, [repositoryScope('a/b', 'pull')]), false)
    assert.equal(coversScopes(held, [{type: 'registry', name: 'a', actions: ['pull']}]), false)
    assert.equal(coversScopes([repositoryScope('a', '*')], [repositoryScope('a', 'delete')]), true)
  })

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.array(scope), (scopes) => {
        const merged = mergeScopes(scopes)
        assert.deepEqual(parseScopes(merged.map(formatScope).join(' ')), merged)
      }),
    )
  })

  it('cover each of what they were merged from, and merging again changes nothing', () => {
    fc.assert(
      fc.property(fc.array(scope), fc.array(scope), (some, others) => {
        const merged = mergeScopes(some, others)
        assert.equal(coversScopes(merged, some) && coversScopes(merged, others), true)
        assert.deepEqual(mergeScopes(merged, some), merged)
      }),
    )
  })
})
