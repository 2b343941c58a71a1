/** Why one of several objects was left as it was, on the wire. */
import {type Static, Type} from 'typebox'
import {HoldfastError, isErrorCode} from '../../core/errors.ts'
import {shape} from './operation.ts'

export const ItemFailure = shape({code: Type.String(), message: Type.String(), hints: Type.Array(Type.String())})

export function describeItemFailure({code, message, hints}: HoldfastError): Static<typeof ItemFailure> {
  return {code, message, hints: [...hints]}
}

/** The error again; one with a code of a newer collector is that of a registry that fails. */
export function readItemFailure({code, message, hints}: Static<typeof ItemFailure>): HoldfastError {
  return new HoldfastError(isErrorCode(code) ? code : 'REGISTRY_UNAVAILABLE', message, {hints})
}
