/** Logging out: the secret leaves the keychain, the login the records. */

import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import {type Logins, loginTarget} from '../credentials/logins.ts'
import type {RegistryHost, RepositoryName} from '../oci/reference.ts'
import type {LoginRecord} from '../records/store.ts'

/** Which logins end. */
export interface LogoutRequest {
  /** Absent for every registry, which `all` must confirm. */
  readonly registry?: RegistryHost | undefined
  /** Only the login of exactly these repositories; without it and `all`, that of the whole registry. */
  readonly pathPrefix?: RepositoryName | undefined
  readonly account?: string | undefined
  /** Every login that fits, however many there are, and none is no error. */
  readonly all: boolean
}

/**
 * Removes logins; answers those that were there.
 * @throws {HoldfastError} CREDENTIAL_NOT_FOUND when there is none; INPUT_REQUIRED when several accounts fit and neither one of them nor `all` is given; USAGE without
 * registry and `all`; KEYCHAIN_*: the logins before the one that failed are removed.
 */
export async function logOut(request: LogoutRequest, logins: Pick<Logins, 'list' | 'remove'>): Promise<readonly LoginRecord[]> {
  const {registry, pathPrefix, account, all} = request
  if (registry === undefined && !all) {
    throw new HoldfastError('USAGE', 'cannot log out: no registry is named', {hints: ['holdfast auth list', 'holdfast logout --all']})
  }
  const known = await logins.list(registry)
  const fitting = known.filter(
    (login) =>
      (account === undefined || login.account === account) && ((all && pathPrefix === undefined) || login.pathPrefix === pathPrefix),
  )
  if (registry !== undefined && !all) assertOne(registry, request, fitting, known)
  const removed: LoginRecord[] = []
  for (const login of fitting) if (await logins.remove(login)) removed.push(login)
  return removed
}

function assertOne(
  registry: RegistryHost,
  {pathPrefix, account}: LogoutRequest,
  fitting: readonly LoginRecord[],
  known: readonly LoginRecord[],
): void {
  if (fitting.length === 1) return
  const place = loginTarget({registry, ...(pathPrefix === undefined ? {} : {pathPrefix})})
  const others = (fitting.length === 0 ? known : fitting).map(
    (login) => shellCommand`holdfast logout ${loginTarget(login)} --account ${login.account}`,
  )
  if (fitting.length > 1) {
    throw new HoldfastError('INPUT_REQUIRED', `cannot log out of "${place}": ${fitting.length} accounts are logged in there`, {
      hints: [...others, shellCommand`holdfast logout ${place} --all`],
    })
  }
  const who = account === undefined ? 'nobody is logged in there' : `"${account}" is not logged in there`
  throw new HoldfastError('CREDENTIAL_NOT_FOUND', `cannot log out of "${place}": ${who}`, {
    hints: others.length > 0 ? others : ['holdfast auth list'],
    details: {registry},
  })
}
