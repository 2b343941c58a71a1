/** Credentials in the environment, for CI: nothing is stored. */
import {isTokenText} from '../auth/token-response.ts'
import type {RegistryCredential} from '../content/remote/endpoint.ts'
import {HoldfastError} from '../core/errors.ts'
import type {RegistryHost} from '../oci/reference.ts'
import type {CredentialSource} from './lookup.ts'

const SUFFIXES = ['USERNAME', 'PASSWORD', 'IDENTITY_TOKEN', 'REGISTRY_TOKEN'] as const
type Suffix = (typeof SUFFIXES)[number]

/** A set of variables that makes one credential. */
const KINDS: readonly (readonly Suffix[])[] = [['USERNAME', 'PASSWORD'], ['IDENTITY_TOKEN'], ['REGISTRY_TOKEN']]

/**
 * Makes a source that reads, for the registry asked about, either `HOLDFAST_AUTH_<HOST>_USERNAME` with `…_PASSWORD`, or `…_IDENTITY_TOKEN` (a refresh token), or
 * `…_REGISTRY_TOKEN` (a bearer token that is sent as it is). `<HOST>` is the registry's name in references in upper case, with `_` for all but letters and digits:
 * `DOCKER_IO`, `REGISTRY_EXAMPLE_COM_5000`. An empty variable counts as one that is not there, since CI sets it so where a secret is missing.
 *
 * Hosts that differ in `.`, `-` and `:` alone share their variables.
 *
 * Its `find` rejects with CONFIGURATION, naming variables and never values, when there is half a pair, more than one kind, or a value that cannot be sent.
 */
export function createEnvironmentSource(environment: Readonly<Record<string, string | undefined>>): CredentialSource {
  return {find: async (registry) => readVariables(environment, registry)}
}

function readVariables(environment: Readonly<Record<string, string | undefined>>, registry: RegistryHost): RegistryCredential | undefined {
  const prefix = `HOLDFAST_AUTH_${registry.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
  const values = new Map<Suffix, string>()
  for (const suffix of SUFFIXES) {
    const value = environment[`${prefix}_${suffix}`]
    if (value !== undefined && value !== '') values.set(suffix, value)
  }
  if (values.size === 0) return undefined
  const found = [...values.keys()]
  const kind = KINDS.find((suffixes) => suffixes.length === found.length && suffixes.every((suffix) => values.has(suffix)))
  if (kind === undefined) {
    const names = found.map((suffix) => `${prefix}_${suffix}`).join(' and ')
    throw unusable(names, registry, `they must be ${KINDS.map((suffixes) => suffixes.join(' with ')).join(', or ')}, and nothing besides`)
  }
  const {
    USERNAME: username = '',
    PASSWORD: password = '',
    IDENTITY_TOKEN: identityToken,
    REGISTRY_TOKEN: registryToken,
  } = Object.fromEntries(values)
  if (identityToken !== undefined) return {kind: 'identity-token', token: checkToken(identityToken, `${prefix}_IDENTITY_TOKEN`, registry)}
  if (registryToken !== undefined) return {kind: 'registry-token', token: checkToken(registryToken, `${prefix}_REGISTRY_TOKEN`, registry)}
  // RFC 7617 §2: the first colon ends the user name.
  if (username.includes(':')) throw unusable(`${prefix}_USERNAME`, registry, 'a user name has no colon')
  return {kind: 'basic', username, password}
}

/** A line break at the end is what files and shells leave there. */
function checkToken(value: string, variable: string, registry: RegistryHost): string {
  const token = value.trim()
  if (isTokenText(token)) return token
  throw unusable(variable, registry, 'a token is printable ASCII without spaces')
}

function unusable(variables: string, registry: RegistryHost, reason: string): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot use "${variables}" as credentials for "${registry}": ${reason}`, {
    hints: ["env | sed -n 's/^\\(HOLDFAST_AUTH_[^=]*\\)=.*/\\1/p'  # which are set"],
    details: {registry},
  })
}
