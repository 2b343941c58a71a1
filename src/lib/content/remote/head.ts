/** HEAD requests, of which a refusal says nothing about what is there: some registries, proxies and signed URLs take GET only. */
import {hasCode} from '../../core/errors.ts'
import type {RegistryRequest, RegistryResponse, RegistrySession} from './session.ts'

const FORBIDDEN = 403

/**
 * Sends a HEAD. Undefined when it was refused with 403: GET decides then.
 * @throws {HoldfastError} as `RegistrySession.send`; a refusal of the credentials themselves is one of them.
 */
export async function headOf(session: RegistrySession, request: Omit<RegistryRequest, 'method'>): Promise<RegistryResponse | undefined> {
  try {
    return await session.send({...request, method: 'HEAD'})
  } catch (error) {
    // A token endpoint's refusal is about the account, and asking it again may lock that.
    const isOfHead = hasCode(error, 'DENIED') || (hasCode(error, 'UNAUTHENTICATED') && error.details.host === undefined)
    if (isOfHead && error.details.httpStatus === FORBIDDEN) return undefined
    throw error
  }
}
