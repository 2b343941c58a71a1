import assert from 'node:assert/strict'
import {parseRevalidationRule, revalidationOf} from '../../../src/lib/content/pull-through/revalidation.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {parseRepositoryName, parseTag} from '../../../src/lib/oci/reference.ts'

describe('the revalidation of tags', () => {
  const policy = (rules: readonly string[], name: string, tag: string) =>
    revalidationOf(rules.map(parseRevalidationRule), parseRepositoryName(name), parseTag(tag))

  it('is that of the first pattern that fits, and five minutes without one', () => {
    const rules = ['library/*:latest=1m', 'acme/**=never', '**:v*=2d', '**=always']
    assert.equal(policy(rules, 'library/alpine', 'latest'), 60_000)
    assert.equal(policy(rules, 'library/alpine', '3.20'), 'always')
    assert.equal(policy(rules, 'library/a/b', 'latest'), 'always')
    assert.equal(policy(rules, 'acme/team/web', 'v1'), 'never')
    assert.equal(policy(rules, 'other/web', 'v1'), 2 * 86_400_000)
    assert.equal(policy([], 'library/alpine', 'latest'), 300_000)
    assert.equal(policy(['a.c=never'], 'abc', 'x'), 300_000)
  })

  it('is refused when it is none', () => {
    for (const text of ['x', 'x=', '=never', 'x=0m', 'x=5', 'x=often', 'x=5w', 'x=1000000000m']) {
      assert.throws(
        () => parseRevalidationRule(text),
        (error) => hasCode(error, 'USAGE'),
        text,
      )
    }
  })
})
