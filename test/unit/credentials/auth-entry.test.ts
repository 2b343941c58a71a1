import assert from 'node:assert/strict'
import fc from 'fast-check'
import {decodeAuthEntry} from '../../../src/lib/credentials/docker-config/auth-entry.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const basic = (username: string, password: string) => ({kind: 'found', credential: {kind: 'basic', username, password}})

describe('an entry of auths', () => {
  for (const [title, entry, expected] of [
    ['is read from auth', {auth: base64('ann:s3cret')}, basic('ann', 's3cret')],
    ['keeps colons of the password', {auth: base64('ann:a:b::c')}, basic('ann', 'a:b::c')],
    ['may have an empty password', {auth: base64('ann:')}, basic('ann', '')],
    ['drops the NUL bytes docker pads with', {auth: base64('ann:s3cret\0\0')}, basic('ann', 's3cret')],
    ['is read from auth before username and password', {auth: base64('ann:new'), username: 'ann', password: 'old'}, basic('ann', 'new')],
    ['is read from username and password', {username: 'ann', password: 's3cret'}, basic('ann', 's3cret')],
    [
      'gives the identity token before a password',
      {auth: base64('ann:s3cret'), identitytoken: 'idt'},
      {kind: 'found', credential: {kind: 'identity-token', token: 'idt'}},
    ],
    [
      'gives the registry token before the identity token',
      {identitytoken: 'idt', registrytoken: 'rt'},
      {kind: 'found', credential: {kind: 'registry-token', token: 'rt'}},
    ],
    [
      'means an identity token under the user name <token>',
      {auth: base64('<token>:idt')},
      {kind: 'found', credential: {kind: 'identity-token', token: 'idt'}},
    ],
    ['has nothing where a helper keeps the credentials', {}, {kind: 'none'}],
    ['has nothing where its fields are empty', {auth: '', identitytoken: ''}, {kind: 'none'}],
    ['has nothing but an e-mail address', {email: 'ann@example.com'}, {kind: 'none'}],
    ['is malformed without a colon', {auth: base64('ann')}, {kind: 'malformed'}],
    ['is malformed without a user name', {auth: base64(':s3cret')}, {kind: 'malformed'}],
    ['is malformed when it is not base64', {auth: 'ann:s3cret'}, {kind: 'malformed'}],
    ['is absurd when a field is not a string', {auth: 7}, {kind: 'absurd'}],
    ['is absurd when it is a string', 'ann:s3cret', {kind: 'absurd'}],
    ['is absurd when it is a list', ['ann:s3cret'], {kind: 'absurd'}],
    ['has nothing when it is null', null, {kind: 'none'}],
    ['has nothing in a field that is null', {auth: null, identitytoken: null}, {kind: 'none'}],
    ['is read beside a field that is null', {auth: base64('ann:s3cret'), identitytoken: null}, basic('ann', 's3cret')],
  ] as const) {
    it(title, () => assert.deepEqual(decodeAuthEntry(entry), expected))
  }

  it('gives back every user name without a colon and every password', () => {
    fc.assert(
      fc.property(fc.string({minLength: 1, unit: 'binary'}), fc.string({unit: 'binary'}), (username, password) => {
        fc.pre(!username.includes(':') && username !== '<token>' && !password.endsWith('\0'))
        assert.deepEqual(decodeAuthEntry({auth: base64(`${username}:${password}`)}), basic(username, password))
      }),
    )
  })
})
