import assert from 'node:assert/strict'
import {upstreamReason} from '../../../src/lib/content/pull-through/upstream-reason.ts'
import {type ErrorCode, HoldfastError} from '../../../src/lib/core/errors.ts'

describe('why an upstream gave no answer', () => {
  it('is told by cause, with the detail and without the request', () => {
    const cases: readonly (readonly [ErrorCode, string, string])[] = [
      ['NETWORK', 'cannot GET "https://u.example/v2/": connection refused', 'cannot be reached: connection refused'],
      ['TLS', 'cannot GET "https://u.example/v2/": its certificate has expired', 'cannot be trusted: its certificate has expired'],
      ['TIMEOUT', 'cannot HEAD "https://u.example/v2/": no answer in 10 s', 'does not answer in time: no answer in 10 s'],
      [
        'PLAIN_HTTP',
        'cannot GET "https://u.example/v2/": the server does not speak TLS',
        'speaks plain HTTP: the server does not speak TLS',
      ],
      ['REGISTRY_UNAVAILABLE', 'cannot read manifest "a:1": 500 from "u.example"', 'answers with a server error: 500 from "u.example"'],
      ['RATE_LIMITED', 'too many', 'asks to slow down'],
    ]
    for (const [code, message, reason] of cases) assert.equal(upstreamReason(new HoldfastError(code, message)), reason)
  })
})
