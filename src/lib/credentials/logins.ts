/** Logins: what is remembered of them in the records, and their secrets in the keychain, kept in step. */

import type {RegistryCredential} from '../content/remote/endpoint.ts'
import {HoldfastError} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'
import {shellCommand} from '../core/shell.ts'
import type {RegistryHost, RepositoryName} from '../oci/reference.ts'
import type {LoginKey, LoginRecord, LoginStore} from '../records/store.ts'
import type {CredentialSource} from './lookup.ts'
import type {SecretStore} from './secret-store.ts'

export interface Logins {
  /** Secret first, then record: whoever dies in between leaves a secret that nobody asks for, never a login without one. */
  save(login: LoginRecord, secret: Secret): Promise<void>
  /** The login for a repository: the longest matching path prefix, then `account` where one is given, else the newest. */
  select(registry: RegistryHost, repository: RepositoryName | undefined, account?: string): Promise<LoginRecord | undefined>
  /** Newest first; of one registry or of all. */
  list(registry?: RegistryHost): Promise<readonly LoginRecord[]>
  /** @throws {HoldfastError} CREDENTIAL_NOT_FOUND when the keychain has no secret for it; KEYCHAIN_UNAVAILABLE, KEYCHAIN_LOCKED, KEYCHAIN_TIMEOUT. */
  reveal(login: LoginRecord): Promise<RegistryCredential>
  /** The secret first: a login whose secret the keychain does not give up stays. Answers whether there was one. */
  remove(key: LoginKey): Promise<boolean>
}

export function createLogins({records, secrets}: {readonly records: LoginStore; readonly secrets: SecretStore}): Logins {
  return {
    async save(login, secret) {
      await secrets.writeSecret(login, secret)
      await records.saveLogin(login)
    },
    async select(registry, repository, account) {
      const candidates = (await records.listLogins(registry)).filter(
        (login) => covers(login.pathPrefix, repository) && (account === undefined || login.account === account),
      )
      const length = Math.max(...candidates.map(prefixLength))
      return candidates.find((login) => prefixLength(login) === length)
    },
    list: (registry) => records.listLogins(registry),
    async reveal(login) {
      const secret = await secrets.readSecret(login)
      if (secret === undefined) {
        throw new HoldfastError(
          'CREDENTIAL_NOT_FOUND',
          `cannot log in to "${login.registry}" as "${login.account}": "${secrets.name}" has lost its secret`,
          {
            hints: [shellCommand`holdfast login ${loginTarget(login)} --username ${login.account}`],
          },
        )
      }
      const value = secret.reveal()
      return login.kind === 'password'
        ? {kind: 'basic', username: login.account, password: value}
        : {
            kind: 'identity-token',
            token: value,
            keepRotated: (token) => secrets.writeSecret(login, new Secret(token)),
          }
    },
    async remove(key) {
      await secrets.deleteSecret(key)
      return records.removeLogin(key)
    },
  }
}

/** What `holdfast login` is given for a login: the registry, or a path in it. */
export function loginTarget({registry, pathPrefix}: Omit<LoginKey, 'account'>): string {
  return pathPrefix === undefined ? registry : `${registry}/${pathPrefix}`
}

/** The logins as a place where credentials are found; `account` selects among several of a registry, and a registry without it is not spoken for. */
export function createLoginSource(logins: Logins, account?: string): CredentialSource {
  return {
    async find(registry, repository) {
      const login = await logins.select(registry, repository, account)
      return login === undefined ? undefined : logins.reveal(login)
    },
  }
}

function covers(pathPrefix: RepositoryName | undefined, repository: RepositoryName | undefined): boolean {
  return pathPrefix === undefined || repository === pathPrefix || repository?.startsWith(`${pathPrefix}/`) === true
}

function prefixLength({pathPrefix}: LoginRecord): number {
  return pathPrefix?.length ?? 0
}
