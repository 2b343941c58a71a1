import assert from 'node:assert/strict'
import {readRateLimit} from '../../../src/lib/login/rate-limit.ts'

describe('the rate limit of a registry', () => {
  for (const [limit, remaining, expected] of [
    ['100;w=21600', '98;w=21600', {limit: 100, remaining: 98, windowSeconds: 21_600}],
    ['100, 100;w=60', '3', {limit: 100, remaining: 3, windowSeconds: 60}],
    ['100', '0', {limit: 100, remaining: 0}],
    ['100;w=21600', undefined, undefined],
    [undefined, '3', undefined],
    ['many', '3', undefined],
    ['-1', '3', undefined],
    ['1e3', '3', undefined],
  ] as const) {
    it(`is read from ${limit} and ${remaining}`, () => {
      const headers = {
        ...(limit === undefined ? {} : {'ratelimit-limit': limit}),
        ...(remaining === undefined ? {} : {'ratelimit-remaining': remaining}),
      }
      assert.deepEqual(readRateLimit(headers), expected)
    })
  }
})
