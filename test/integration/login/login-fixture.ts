/** What logging in needs from outside: real records, a keychain in memory, and the way to registries on loopback. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {inspect} from 'node:util'
import type {RegistryEndpoint} from '../../../src/lib/content/remote/endpoint.ts'
import {type ErrorCode, HoldfastError} from '../../../src/lib/core/errors.ts'
import {Secret} from '../../../src/lib/core/secret.ts'
import {createLogins, type Logins} from '../../../src/lib/credentials/logins.ts'
import type {SecretStore} from '../../../src/lib/credentials/secret-store.ts'
import {type LoginDependencies, type LoginOutcome, type LoginRequest, logIn} from '../../../src/lib/login/log-in.ts'
import type {RegistryHost, RepositoryName} from '../../../src/lib/oci/reference.ts'
import {openSqliteStore} from '../../../src/lib/records/sqlite/open-store.ts'
import type {LoginKey, RecordStore} from '../../../src/lib/records/store.ts'
import {openHttp} from '../registries/registry-fixture.ts'

export const ALICE = 'alice'
/** Must not be seen anywhere but at the realm. */
export const PASSWORD = 'canary-Pa55:word/æ'

class MemoryKeychain implements SecretStore {
  readonly name = 'memory'
  readonly items = new Map<string, string>()

  async readSecret(key: LoginKey): Promise<Secret | undefined> {
    const value = this.items.get(itemName(key))
    return value === undefined ? undefined : new Secret(value)
  }

  async writeSecret(key: LoginKey, secret: Secret): Promise<void> {
    this.items.set(itemName(key), secret.reveal())
  }

  async deleteSecret(key: LoginKey): Promise<boolean> {
    return this.items.delete(itemName(key))
  }
}

function itemName({registry, pathPrefix, account}: LoginKey): string {
  return `${account}@${registry}${pathPrefix === undefined ? '' : `/${pathPrefix}`}`
}

export interface LoginFixture {
  readonly keychain: MemoryKeychain
  readonly logins: Logins
  readonly records: RecordStore
  readonly dependencies: LoginDependencies
  close(): void
}

let count = 0

/** Nobody is logged in; its records are below `directory`. */
export async function openLogins(directory: string): Promise<LoginFixture> {
  const records = await openSqliteStore({file: join(directory, `logins-${count++}.db`)})
  const keychain = new MemoryKeychain()
  const logins = createLogins({records, secrets: keychain})
  return {
    keychain,
    logins,
    records,
    dependencies: {logins, records, openHttp, now: () => new Date('2026-11-20T12:00:00Z')},
    close: () => records.close(),
  }
}

export function endpointOf(host: string, more: Partial<RegistryEndpoint> = {}): RegistryEndpoint {
  return {registry: host as RegistryHost, plainHttp: 'always', tls: {}, capabilities: {}, ...more}
}

export interface LoginInput {
  readonly account?: string
  readonly password?: string
  readonly identityToken?: string
  readonly tokenOnly?: boolean
  readonly pathPrefix?: RepositoryName
}

/** Logs alice in unless told otherwise. */
export function logInAt(
  endpoint: RegistryEndpoint,
  fixture: LoginFixture,
  input: LoginInput = {},
  signal?: AbortSignal,
): Promise<LoginOutcome> {
  const {account = ALICE, password = PASSWORD, identityToken, tokenOnly = false, pathPrefix} = input
  const request: LoginRequest = {
    endpoint,
    subject: {host: endpoint.registry, isDeclared: endpoint.pinnedHosts !== undefined},
    account,
    pathPrefix,
    tokenOnly,
    secret:
      identityToken === undefined
        ? {kind: 'password', value: new Secret(password)}
        : {kind: 'identity-token', value: new Secret(identityToken)},
  }
  return logIn(request, {...fixture.dependencies, signal})
}

/** Asserts that a login fails with that code, keeps nothing, and shows no secret in any part of its error; answers the error. */
export async function assertLoginFails(
  attempt: Promise<unknown>,
  code: ErrorCode,
  fixture: LoginFixture,
  secrets: readonly string[] = [PASSWORD],
): Promise<HoldfastError> {
  const error: unknown = await attempt.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  assert.ok(error instanceof HoldfastError, `expected ${code}, not ${inspect(error)}`)
  assert.equal(error.code, code, error.message)
  assert.deepEqual([await fixture.logins.list(), fixture.keychain.items.size], [[], 0])
  const everything = `${inspect(error, {depth: Infinity, showHidden: true})} ${JSON.stringify([error.message, error.hints, error.details])}`
  const shapes = secrets.flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
    Buffer.from(`${ALICE}:${secret}`).toString('base64'),
  ])
  for (const shape of shapes) assert.ok(!everything.includes(shape), `the error of ${code} shows a secret`)
  return error
}
