/** What a declared registry may be called. */
import {HoldfastError} from '../core/errors.ts'
import type {RegistryHost} from '../oci/reference.ts'

const MAX_NAME_LENGTH = 64
const NAME = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*$/

/**
 * Checks a name for `host`: up to 64 lower-case letters and digits, with `.`, `_` and `-` between them. Wherever a registry is asked for, a name and a host may stand
 * side by side, so a name that reads as a host must be that very host.
 * @throws {HoldfastError} USAGE
 */
export function parseRegistryName(text: string, host: RegistryHost): string {
  if (!NAME.test(text) || text.length > MAX_NAME_LENGTH) {
    throw invalid(
      text,
      'a name has up to 64 lower-case letters and digits, with . _ - between them',
      text.toLowerCase().replace(/[^a-z0-9]+/g, '-'),
    )
  }
  if (readsAsHost(text) && text !== host) {
    throw invalid(text, `it reads as another host than ${host}`, text.replaceAll('.', '-').replace('localhost', 'local'))
  }
  return text
}

/** Docker's rule for the first part of a reference: a host has a dot or a colon, or is `localhost`. */
export function readsAsHost(text: string): boolean {
  return text === 'localhost' || /[.:]/.test(text)
}

function invalid(text: string, reason: string, proposal: string): HoldfastError {
  const better = proposal.replace(/^-+|-+$/g, '').slice(0, MAX_NAME_LENGTH)
  return new HoldfastError('USAGE', `cannot name a registry "${text.slice(0, 100)}": ${reason}`, {
    hints: better === '' ? [] : [`holdfast registry add ${better} URL`],
  })
}
