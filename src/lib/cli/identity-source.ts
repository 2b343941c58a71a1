/** Where the credential of a registry comes from: the sources of a run in their order, each by its name. */

import type {RegistryCredential} from '../content/remote/endpoint.ts'
import {HoldfastError} from '../core/errors.ts'
import type {RegistryHost, RepositoryName} from '../oci/reference.ts'
import type {LoginRecord} from '../records/store.ts'
import type {Context} from './context.ts'

export interface IdentitySource {
  readonly who: LoginRecord | RegistryCredential
  readonly source: 'environment' | 'keychain' | 'docker-config'
  readonly keychain?: string
  readonly pathPrefix?: RepositoryName
  readonly loggedInAt?: string
}

interface IdentityQuestion {
  readonly registry: RegistryHost
  readonly pathPrefix: RepositoryName | undefined
  /** Looks at logins only. */
  readonly account: string | undefined
}

/** @throws {HoldfastError} CREDENTIAL_NOT_FOUND when nobody is logged in; CONFIGURATION, as the sources do. */
export async function findIdentitySource(context: Context, {registry, pathPrefix, account}: IdentityQuestion): Promise<IdentitySource> {
  const {environment, dockerConfig} = await context.credentialSources()
  const fromEnvironment = account === undefined ? await environment?.find(registry, pathPrefix) : undefined
  if (fromEnvironment !== undefined) return {who: fromEnvironment, source: 'environment'}
  const [logins, keychain] = await Promise.all([context.logins(), context.keychain()])
  const login = await logins.select(registry, pathPrefix, account)
  if (login !== undefined) {
    const prefix = login.pathPrefix === undefined ? {} : {pathPrefix: login.pathPrefix}
    return {who: login, source: 'keychain', keychain: keychain.name, loggedInAt: login.loggedInAt, ...prefix}
  }
  const fromFile = account === undefined ? await dockerConfig?.find(registry, pathPrefix) : undefined
  if (fromFile !== undefined) return {who: fromFile, source: 'docker-config'}
  const place = pathPrefix === undefined ? registry : `${registry}/${pathPrefix}`
  const who = account === undefined ? 'nobody is logged in there' : `"${account}" is not logged in there`
  throw new HoldfastError('CREDENTIAL_NOT_FOUND', `cannot tell who you are at "${place}": ${who}`, {
    hints: [`holdfast login ${place}`, 'holdfast auth list'],
    details: {registry},
  })
}
