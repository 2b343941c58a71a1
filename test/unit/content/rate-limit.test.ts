import assert from 'node:assert/strict'
import {parseRateLimit} from '../../../src/lib/content/remote/rate-limit.ts'

describe('the quota that a registry tells', () => {
  for (const [limit, remaining, expected] of [
    ['100;w=21600', '76;w=21600', {limit: 100, remaining: 76}],
    ['200', '0', {limit: 200, remaining: 0}],
    ['100, 100;w=60', '7', {limit: 100, remaining: 7}],
    ['100;w=21600', undefined, undefined],
    [undefined, '76', undefined],
    ['many', '76', undefined],
    ['100', '-1', undefined],
  ] as const)
    it(`of ${limit} and ${remaining} is ${expected === undefined ? 'none' : `${expected.remaining} of ${expected.limit}`}`, () => {
      const headers = {
        ...(limit === undefined ? {} : {'ratelimit-limit': limit}),
        ...(remaining === undefined ? {} : {'ratelimit-remaining': remaining}),
      }
      assert.deepEqual(parseRateLimit(headers), expected)
    })
})
