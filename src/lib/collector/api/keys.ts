import {Type} from 'typebox'
import {publicKeys} from '../../tokens/registry-token.ts'
import type {KeyRing} from '../../tokens/signing-keys.ts'
import {createKeyRings} from '../key-ring.ts'
import {assertAdministrator, type Call, defineOperation, shape} from './operation.ts'
import {Nothing, Time} from './shapes.ts'

const KeyShape = shape({state: Type.Enum(['active', 'retiring']), since: Time, endsAt: Time})
const KeysShape = shape({authorityEndsAt: Time, keys: Type.Array(KeyShape)})

export const listKeys = defineOperation({
  id: 'keys.list',
  method: 'GET',
  path: '/keys',
  summary: 'Lists the keys that tokens are signed with.',
  input: Nothing,
  output: KeysShape,
  async run(_input, call) {
    assertAdministrator(call, 'list keys')
    return describe(await ringsOf(call).current())
  },
})

export const rotateSigningKey = defineOperation({
  id: 'keys.rotate',
  method: 'POST',
  path: '/keys/rotation',
  summary: 'Signs with a new key from now on. Registries know the authority and notice nothing.',
  input: Nothing,
  output: KeysShape,
  async run(_input, call) {
    assertAdministrator(call, 'rotate the key')
    return describe(await ringsOf(call).rotate())
  },
})

export const exportKeys = defineOperation({
  id: 'keys.export',
  method: 'GET',
  path: '/keys/public',
  summary: 'Gives what registries must know: the authority (rootcertbundle), and the keys (jwks).',
  input: Nothing,
  output: shape({
    authority: Type.String({description: 'PEM: the rootcertbundle of a registry, alone in its file'}),
    jwks: Type.Object({keys: Type.Array(Type.Record(Type.String(), Type.Unknown()))}),
  }),
  async run(_input, call) {
    const ring = await ringsOf(call).current()
    return {authority: ring.authority.certificate, jwks: {keys: publicKeys(ring).keys.map((key) => ({...key}))}}
  },
})

export const KEY_OPERATIONS = [listKeys, rotateSigningKey, exportKeys]

function ringsOf({store, now}: Call) {
  return createKeyRings(store, now)
}

function describe({authority, active, retiring}: KeyRing) {
  return {
    authorityEndsAt: authority.notAfter,
    keys: [
      {state: 'active' as const, since: active.activeSince, endsAt: active.notAfter},
      ...retiring.map(({activeSince, notAfter}) => ({state: 'retiring' as const, since: activeSince, endsAt: notAfter})),
    ],
  }
}
