import assert from 'node:assert/strict'
import {decodeRefusal, saysLocked} from '../../../src/lib/auth/refusal.ts'
import {rememberSecrets} from '../../../src/lib/core/known-secrets.ts'

describe('a refusal', () => {
  for (const [what, json, expected] of [
    ["distribution's errors", {errors: [{code: 'DENIED', message: 'no'}, {code: 'X'}]}, {code: 'DENIED', message: 'no'}],
    ["OAuth 2's error", {error: 'invalid_grant', error_description: 'spent'}, {code: 'invalid_grant', message: 'spent'}],
    ['details alone', {details: 'incorrect username or password'}, {message: 'incorrect username or password'}],
    ['a message alone', {message: 'no'}, {message: 'no'}],
    ['line breaks, terminal escapes left to printing', {message: 'a\u001b[31m\r\nb'}, {message: 'a\u001b[31m b'}],
    ['values of other types', {errors: [{code: 1, message: {}}]}, {}],
    ['no object', 'no', {}],
    ['null', null, {}],
    ['an empty list', {errors: []}, {}],
  ] as readonly (readonly [string, unknown, object])[]) {
    it(`is read from ${what}`, () => assert.deepEqual(decodeRefusal(json), expected))
  }

  it('has every secret masked, also one that it would cut in two', () => {
    const secret = 'canary secret'
    rememberSecrets(secret, '')
    const {message = ''} = decodeRefusal({message: `${'x'.repeat(290)}${secret} ${encodeURIComponent(secret)}`})
    assert.ok(!message.includes('canary') && message.includes('***'), message)
  })

  for (const [message, isLocked] of [
    ['Your account has been locked because of too many failed attempts to login.', true],
    ['user is locked out', true],
    ['Too many failed logins', true],
    ['account_locked', false],
    ['the door was unlocked', false],
    ['blocked by policy', false],
    ['Bad credentials', false],
  ] as const) {
    it(`${isLocked ? 'says' : 'does not say'} that the account is locked: ${message}`, () => assert.equal(saysLocked({message}), isLocked))
  }

  it('says so by its code as well', () => assert.ok(saysLocked({code: 'ACCOUNT_LOCKED'})))
})
