import assert from 'node:assert/strict'
import {join} from 'node:path'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {Secret} from '../../../src/lib/core/secret.ts'
import {createLoginSource, createLogins, type Logins} from '../../../src/lib/credentials/logins.ts'
import type {SecretStore} from '../../../src/lib/credentials/secret-store.ts'
import {parseRegistryHost, parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {openSqliteStore} from '../../../src/lib/records/sqlite/open-store.ts'
import type {LoginKey, LoginRecord, RecordStore} from '../../../src/lib/records/store.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const hub = parseRegistryHost('docker.io')
const acme = parseRepositoryName('acme')

/** A keychain in memory that can be locked. */
class MemoryKeychain implements SecretStore {
  readonly name = 'memory'
  readonly secrets = new Map<string, string>()
  isLocked = false

  async readSecret(key: LoginKey): Promise<Secret | undefined> {
    const value = this.secrets.get(this.#open(key))
    return value === undefined ? undefined : new Secret(value)
  }

  async writeSecret(key: LoginKey, secret: Secret): Promise<void> {
    this.secrets.set(this.#open(key), secret.reveal())
  }

  async deleteSecret(key: LoginKey): Promise<boolean> {
    return this.secrets.delete(this.#open(key))
  }

  #open({registry, pathPrefix, account}: LoginKey): string {
    if (this.isLocked) throw new HoldfastError('KEYCHAIN_LOCKED', 'cannot open "memory": it is locked')
    return JSON.stringify([registry, pathPrefix ?? '', account])
  }
}

describe('logins', () => {
  let directory: TemporaryDirectory
  let records: RecordStore
  let keychain: MemoryKeychain
  let logins: Logins
  let count = 0

  const login = (account: string, change: Partial<LoginRecord> = {}): LoginRecord => ({
    registry: hub,
    account,
    kind: 'password',
    loggedInAt: `2026-01-01T00:00:00.${String(count++).padStart(3, '0')}Z`,
    ...change,
  })

  beforeEach(async () => {
    directory = await createTemporaryDirectory('logins')
    records = await openSqliteStore({file: join(directory.path, 'records.db')})
    keychain = new MemoryKeychain()
    logins = createLogins({records, secrets: keychain})
  })
  afterEach(async () => {
    records.close()
    await directory.remove()
  })

  it('speak for a repository by the longest path, then by the account that is wanted, then by the newest', async () => {
    await logins.save(login('whole'), new Secret('w'))
    await logins.save(login('old', {pathPrefix: acme}), new Secret('o'))
    await logins.save(login('new', {pathPrefix: acme}), new Secret('n'))
    const account = async (repository: string, wanted?: string) =>
      (await logins.select(hub, repository === '' ? undefined : parseRepositoryName(repository), wanted))?.account
    assert.equal(await account('acme/web'), 'new')
    assert.equal(await account('acme'), 'new')
    assert.equal(await account('acme/web', 'old'), 'old')
    assert.equal(await account('acme/web', 'whole'), 'whole')
    assert.equal(await account('acmeology/web'), 'whole')
    assert.equal(await account(''), 'whole')
    assert.equal(await account('acme/web', 'nobody'), undefined)
    assert.equal(await logins.select(parseRegistryHost('ghcr.io'), acme), undefined)
  })

  it('answer with a password or with an identity token, as it was kept', async () => {
    await logins.save(login('ann'), new Secret('pass'))
    assert.deepEqual(await createLoginSource(logins).find(hub, undefined), {kind: 'basic', username: 'ann', password: 'pass'})
    await logins.save(login('ann', {kind: 'identity-token'}), new Secret('token'))
    const credential = await createLoginSource(logins).find(hub, undefined)
    assert.ok(credential?.kind === 'identity-token')
    assert.equal(credential.token, 'token')
    await credential.keepRotated?.('rotated')
    assert.deepEqual([...keychain.secrets.values()], ['rotated'])
  })

  it('never touch the keychain for a registry without a login', async () => {
    keychain.isLocked = true
    assert.equal(await createLoginSource(logins).find(hub, undefined), undefined)
  })

  it('are an error and not an anonymous pull when the keychain is locked or has lost the secret', async () => {
    await logins.save(login('ann'), new Secret('pass'))
    keychain.isLocked = true
    await assert.rejects(createLoginSource(logins).find(hub, undefined), (error) => hasCode(error, 'KEYCHAIN_LOCKED'))
    keychain.isLocked = false
    keychain.secrets.clear()
    await assert.rejects(
      createLoginSource(logins).find(hub, undefined),
      (error) => hasCode(error, 'CREDENTIAL_NOT_FOUND') && error.hints[0] === 'holdfast login docker.io --username ann',
    )
  })

  it('leave no record when the keychain does not take the secret, and stay when it does not give it up', async () => {
    keychain.isLocked = true
    await assert.rejects(logins.save(login('ann'), new Secret('pass')))
    assert.deepEqual(await logins.list(), [])
    keychain.isLocked = false
    await logins.save(login('ann'), new Secret('pass'))
    keychain.isLocked = true
    await assert.rejects(logins.remove(login('ann')))
    assert.equal((await logins.list()).length, 1)
  })

  it('are removed with their secrets', async () => {
    await logins.save(login('ann'), new Secret('pass'))
    assert.equal(await logins.remove(login('ann')), true)
    assert.equal(await logins.remove(login('ann')), false)
    assert.deepEqual([await logins.list(), keychain.secrets.size], [[], 0])
  })
})
