/** The session of the cf command line: `$CF_HOME/.cf/config.json`. Only its tokens are ever written, and what is not known in it stays as it is. */
import {chmod} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {writeFileAtomically} from '../core/atomic-file.ts'
import {HoldfastError} from '../core/errors.ts'
import {makeDirectory} from '../core/make-directory.ts'
import {readRegularFile, unreadableFile} from '../core/regular-file.ts'
import {Secret} from '../core/secret.ts'
import {shellCommand} from '../core/shell.ts'
import type {NamedGuid, SessionState, SessionStore} from './session.ts'

/** Of cf 7 and later; other versions mean other things by the same names. */
const CONFIG_VERSION = 4
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700
/** Real ones have a few kilobytes. */
const MAX_SESSION_BYTES = 4 * 1024 * 1024
const BEARER = /^bearer +/i

/** @param home `$CF_HOME`, else the user's home. */
export function sessionFile(home: string): string {
  return join(home, '.cf', 'config.json')
}

/**
 * Reads the session of cf, with the caller's hints in its errors; undefined where there is none: no file, an empty one, or one that names no API.
 * @throws {HoldfastError} CONFIGURATION when it cannot be read; UNAUTHENTICATED after `cf api` or `cf logout`; UNSUPPORTED for a version of the file that is not known, and for a
 * platform that wants credentials of Kubernetes, such as Korifi.
 */
export async function readCfSession(file: string, otherHints: readonly string[] = []): Promise<SessionState | undefined> {
  const config = await readConfig(file, otherHints)
  if (config === undefined) return undefined
  const text = (name: string): string | undefined => {
    const value = config[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const api = text('Target')
  const {ConfigVersion: version} = config
  if (api === undefined && (version === undefined || version === CONFIG_VERSION || config.Target === '')) return undefined
  if (version !== CONFIG_VERSION) {
    const named = typeof version === 'number' ? `its version is ${version}` : 'it names no version'
    throw new HoldfastError(
      'UNSUPPORTED',
      `cannot use the session of cf in "${file}": ${named}, and Holdfast knows version ${CONFIG_VERSION}`,
      {
        hints: ['cf version   # 7 and later write version 4', 'cf login', ...otherHints],
      },
    )
  }
  if (api === undefined) return undefined
  if (Reflect.get(Object(config.CFOnK8s), 'Enabled') === true) {
    throw new HoldfastError(
      'UNSUPPORTED',
      `cannot use "${api}": it wants credentials of Kubernetes, as Korifi does, which Holdfast does not have`,
      {hints: otherHints},
    )
  }
  const login = text('AuthorizationEndpoint')
  if (login === undefined || (text('AccessToken') ?? text('RefreshToken')) === undefined) {
    throw new HoldfastError('UNAUTHENTICATED', `cannot use the session of cf at "${api}": you are not logged in`, {
      hints: [shellCommand`cf login -a ${api}`, ...otherHints],
    })
  }
  const [accessToken, refreshToken] = [text('AccessToken')?.replace(BEARER, ''), text('RefreshToken')]
  const clientSecret = text('UAAOAuthClientSecret')
  return {
    api,
    login,
    ...(accessToken === undefined ? {} : {accessToken: new Secret(accessToken)}),
    ...(refreshToken === undefined ? {} : {refreshToken: new Secret(refreshToken)}),
    clientId: text('UAAOAuthClient') ?? 'cf',
    ...(clientSecret === undefined ? {} : {clientSecret: new Secret(clientSecret)}),
    grantType: text('UAAGrantType') === 'client_credentials' ? 'client_credentials' : 'password',
    insecure: config.SSLDisabled === true,
    organization: namedGuid(config.OrganizationFields),
    space: namedGuid(config.SpaceFields),
  }
}

/** @throws {HoldfastError} from `load`: UNAUTHENTICATED when the session has gone meanwhile. */
export function createSessionFileStore(file: string): SessionStore {
  return {
    loginHint: 'cf login',
    async load() {
      const state = await readCfSession(file)
      if (state !== undefined) return state
      throw new HoldfastError('UNAUTHENTICATED', `cannot use the session of cf: "${file}" has none any more`, {hints: ['cf login']})
    },
    async saveTokens({accessToken, refreshToken}) {
      const config = (await readConfig(file)) ?? {}
      const renewed = {
        ...config,
        AccessToken: `bearer ${accessToken.reveal()}`,
        ...(refreshToken === undefined ? {} : {RefreshToken: refreshToken.reveal()}),
      }
      const directory = dirname(file)
      await makeDirectory(directory, {mode: DIRECTORY_MODE})
      await chmod(directory, DIRECTORY_MODE)
      await writeFileAtomically(file, JSON.stringify(renewed, undefined, 2), FILE_MODE)
    },
  }
}

async function readConfig(file: string, otherHints: readonly string[] = []): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text: string
  try {
    text = (await readRegularFile(file, {maxBytes: MAX_SESSION_BYTES})).toString('utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw unreadableFile(file, cause)
  }
  if (text.trim() === '') return undefined
  try {
    const config: unknown = JSON.parse(text)
    return typeof config === 'object' && config !== null ? {...config} : undefined
  } catch {
    // The parser's message would quote the file, tokens included.
    throw new HoldfastError('CONFIGURATION', `cannot read "${file}": it is not JSON`, {hints: ['cf login', ...otherHints]})
  }
}

function namedGuid(value: unknown): NamedGuid | undefined {
  const [guid, name]: unknown[] = [Reflect.get(Object(value), 'GUID'), Reflect.get(Object(value), 'Name')]
  return typeof guid === 'string' && guid !== '' && typeof name === 'string' ? {guid, name} : undefined
}
