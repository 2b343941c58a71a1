/** Credentials for the source of images that are given for one run; they are kept nowhere. */
import * as Flags from '@oclif/core/flags'
import {isTokenText} from '../auth/token-response.ts'
import type {RegistryCredential} from '../content/remote/endpoint.ts'
import {HoldfastError} from '../core/errors.ts'
import type {RegistryHost} from '../oci/reference.ts'
import {readSecret} from './standard-input.ts'

const helpGroup = 'REGISTRY ACCESS'

/** Those that read standard input have no variable: it would make every command wait for input. */
export const SOURCE_CREDENTIAL_FLAGS = {
  'source-username': Flags.string({
    env: 'HOLDFAST_SOURCE_USERNAME',
    helpGroup,
    helpValue: 'NAME',
    dependsOn: ['source-password-stdin'],
    summary: 'Log in to the source as this user, for this run only.',
  }),
  'source-password-stdin': Flags.boolean({
    helpGroup,
    dependsOn: ['source-username'],
    exclusive: ['registry-token-stdin'],
    summary: 'Read the password for the source from standard input.',
  }),
  'registry-token-stdin': Flags.boolean({
    helpGroup,
    exclusive: ['source-username'],
    summary: 'Read a bearer token for the source from standard input, for this run only.',
  }),
}

export interface SourceCredentialFlags {
  readonly 'source-username'?: string | undefined
  readonly 'source-password-stdin'?: boolean | undefined
  readonly 'registry-token-stdin'?: boolean | undefined
}

/**
 * Reads the credential that the flags ask for; undefined when they ask for none.
 * @param registries whose images are the source: one secret is shown to one registry.
 * @throws {HoldfastError} USAGE when the sources are in several registries, or standard input holds no secret.
 */
export async function readSourceCredential(
  flags: SourceCredentialFlags,
  registries: readonly RegistryHost[] = [],
): Promise<RegistryCredential | undefined> {
  const {'source-username': username, 'source-password-stdin': isPassword, 'registry-token-stdin': isToken} = flags
  if (!isPassword && !isToken) return undefined
  if (new Set(registries).size > 1) {
    throw new HoldfastError('USAGE', 'cannot use one credential for several registries: the images come from different ones', {
      hints: ['run the command once for each registry', `holdfast login ${registries[0]}`],
    })
  }
  if (isPassword) return {kind: 'basic', username: username ?? '', password: (await readSecret('--source-password-stdin')).reveal()}
  const token = (await readSecret('--registry-token-stdin')).reveal()
  if (isTokenText(token)) return {kind: 'registry-token', token}
  throw new HoldfastError(
    'USAGE',
    'cannot use standard input as a token (--registry-token-stdin): a token is printable ASCII without spaces',
  )
}
