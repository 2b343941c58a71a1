import assert from 'node:assert/strict'
import {chooseTags, parseWishes} from '../../src/lib/warming/wishes.ts'

describe('a list of images', () => {
  it('names images, patterns and ranges, a line each', async () => {
    const wishes = await parseWishes('# ours\nalpine:3.20\n\nghcr.io/acme/web  v1.*   # newest\nredis >=7  <8\n', 'list')
    assert.deepEqual(
      wishes.map(({line, choice}) => [line, choice]),
      [
        [2, undefined],
        [4, {kind: 'pattern', pattern: 'v1.*'}],
        [5, {kind: 'range', range: '>=7 <8'}],
      ],
    )
  })

  it('means the newest versions of a range, without variants and previews', async () => {
    const tags = ['7', '7.2', '7.2.4', '7.10', '8.0', '7.2-alpine', '8.0-rc1', 'latest', 'v7.4', '6.9']
    assert.deepEqual(await chooseTags(tags, {kind: 'range', range: '>=7 <8'}, 10), ['7.10', 'v7.4', '7.2.4', '7.2', '7'])
    assert.deepEqual(await chooseTags(tags, {kind: 'range', range: '^7'}, 2), ['7.10', 'v7.4'])
    assert.deepEqual(await chooseTags(tags, {kind: 'pattern', pattern: '*-alpine'}, 10), ['7.2-alpine'])
    assert.deepEqual(await chooseTags(tags, {kind: 'pattern', pattern: '7*'}, 3), ['7.10', '7.2.4', '7.2'])
    assert.deepEqual(await chooseTags(tags, {kind: 'range', range: '>=9'}, 10), [])
  })
})
