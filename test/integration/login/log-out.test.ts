import assert from 'node:assert/strict'
import {Secret} from '../../../src/lib/core/secret.ts'
import {type LogoutRequest, logOut} from '../../../src/lib/login/log-out.ts'
import {parseRegistryHost, parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {type LoginFixture, openLogins} from './login-fixture.ts'

const HUB = parseRegistryHost('docker.io')
const OWN = parseRegistryHost('registry.example.com')
const ACME = parseRepositoryName('acme')

describe('logging out', () => {
  const afterwards = cleanUpAfterwards()
  let directory: string
  let fixture: LoginFixture

  before(async () => {
    const temporary = await createTemporaryDirectory('logout')
    afterwards(temporary.remove)
    directory = temporary.path
  })
  beforeEach(async () => {
    fixture = await openLogins(directory)
    afterwards(fixture.close)
    const add = (registry: typeof HUB, account: string, pathPrefix?: typeof ACME) =>
      fixture.logins.save(
        {registry, account, kind: 'password', loggedInAt: '2026-11-20T12:00:00Z', ...(pathPrefix === undefined ? {} : {pathPrefix})},
        new Secret(`secret of ${account}`),
      )
    await add(HUB, 'alice')
    await add(HUB, 'bob')
    await add(HUB, 'robot', ACME)
    await add(OWN, 'alice')
  })

  const leave = async (request: Partial<LogoutRequest>): Promise<readonly string[]> => {
    const removed = await logOut({all: false, ...request}, fixture.logins)
    assert.equal(fixture.keychain.items.size, (await fixture.logins.list()).length)
    return removed.map(({registry, pathPrefix, account}) => `${account}@${registry}/${pathPrefix ?? ''}`).sort()
  }

  for (const [what, request, removed] of [
    ['the one login of a registry', {registry: OWN}, ['alice@registry.example.com/']],
    ['one account of several', {registry: HUB, account: 'bob'}, ['bob@docker.io/']],
    ['the login of a path', {registry: HUB, pathPrefix: ACME}, ['robot@docker.io/acme']],
    ['all of a registry', {registry: HUB, all: true}, ['alice@docker.io/', 'bob@docker.io/', 'robot@docker.io/acme']],
    ['one account everywhere', {account: 'alice', all: true}, ['alice@docker.io/', 'alice@registry.example.com/']],
    ['all of them', {all: true}, ['alice@docker.io/', 'alice@registry.example.com/', 'bob@docker.io/', 'robot@docker.io/acme']],
  ] as readonly (readonly [string, Partial<LogoutRequest>, readonly string[]])[]) {
    it(`removes ${what}, secrets included, and nothing else`, async () => {
      assert.deepEqual(await leave(request), removed)
      assert.equal(fixture.keychain.items.size, 4 - removed.length)
    })
  }

  for (const [what, request, code, hint] of [
    ['among several accounts', {registry: HUB}, 'INPUT_REQUIRED', 'holdfast logout docker.io --account bob'],
    ['of a registry without a login', {registry: parseRegistryHost('ghcr.io')}, 'CREDENTIAL_NOT_FOUND', 'holdfast auth list'],
    [
      'of an account that is not there',
      {registry: OWN, account: 'carol'},
      'CREDENTIAL_NOT_FOUND',
      'holdfast logout registry.example.com --account alice',
    ],
    ['of no registry', {}, 'USAGE', 'holdfast logout --all'],
  ] as readonly (readonly [string, Partial<LogoutRequest>, string, string])[]) {
    it(`${what} removes nothing and says what to do`, async () => {
      await assert.rejects(leave(request), (error: {code?: string; hints?: readonly string[]}) => {
        assert.equal(error.code, code)
        assert.ok(error.hints?.includes(hint), error.hints?.join('\n'))
        return true
      })
      assert.equal(fixture.keychain.items.size, 4)
    })
  }

  it('of all where nobody is logged in is no error', async () => {
    await leave({all: true})
    assert.deepEqual(await leave({all: true}), [])
  })
})
