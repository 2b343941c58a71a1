/** Makes what proves people and workloads, and the hashes of it that are stored. */
import {hashPassword} from '../accounts/password.ts'
import {hashOpaqueToken, makeOpaqueToken, type OpaqueKind} from '../tokens/opaque-token.ts'
import type {SecretMaker} from './api/operation.ts'

export function createSecretMaker(): SecretMaker {
  const make = (kind: OpaqueKind) => {
    const secret = makeOpaqueToken(kind)
    return {secret, hash: hashOpaqueToken(secret.reveal())}
  }
  return {hashPassword, makeServiceSecret: () => make('service'), makeEventsSecret: () => make('events')}
}
