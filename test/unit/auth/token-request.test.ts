import assert from 'node:assert/strict'
import {repositoryScope} from '../../../src/lib/auth/scope.ts'
import {passwordForm, refreshTokenForm, tokenUrl} from '../../../src/lib/auth/token-request.ts'

describe('a request for a token', () => {
  it('keeps the query of the realm and asks for a refresh token only when told to', () => {
    const realm = new URL('https://auth.example/token?tenant=7')
    const scopes = [repositoryScope('a/b', 'pull'), repositoryScope('c', 'push')]
    assert.equal(
      tokenUrl(realm, {service: 's', scopes, account: 'ann@example'}).href,
      'https://auth.example/token?tenant=7&service=s&scope=repository%3Aa%2Fb%3Apull&scope=repository%3Ac%3Apush&account=ann%40example',
    )
    assert.equal(
      tokenUrl(realm, {service: undefined, scopes: [], offline: true}).href,
      'https://auth.example/token?tenant=7&client_id=holdfast&offline_token=true',
    )
    assert.equal(realm.search, '?tenant=7')
  })

  it('by form has what distribution asks for', () => {
    assert.deepEqual(refreshTokenForm('rt', {service: 's', scopes: [repositoryScope('a', 'pull'), repositoryScope('b', 'pull')]}), {
      grant_type: 'refresh_token',
      client_id: 'holdfast',
      service: 's',
      scope: 'repository:a:pull repository:b:pull',
      refresh_token: 'rt',
    })
    assert.deepEqual(passwordForm('ann', 'pw', {service: undefined, scopes: [repositoryScope('a', 'pull')]}), {
      grant_type: 'password',
      client_id: 'holdfast',
      access_type: 'offline',
      scope: 'repository:a:pull',
      username: 'ann',
      password: 'pw',
    })
  })
})
