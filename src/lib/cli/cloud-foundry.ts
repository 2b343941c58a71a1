/** The way to Cloud Foundry: the session of `holdfast login --cf`, in the keychain, else that of the cf command line; and what is targeted. */
import type {CloudFoundryPlatformOptions} from '../apps/cloud-foundry-platform.ts'
import type {Controller} from '../cloud-foundry/controller.ts'
import type {NamedGuid, SessionState, SessionStore} from '../cloud-foundry/session.ts'
import {createSessionFileStore, readCfSession, sessionFile} from '../cloud-foundry/session-file.ts'
import type {CloudFoundryNetwork, RenewedTokens} from '../cloud-foundry/uaa.ts'
import {HoldfastError} from '../core/errors.ts'
import {SYSTEM_CLOCK} from '../core/retry.ts'
import {Secret} from '../core/secret.ts'
import {parseRegistryHost} from '../oci/reference.ts'
import type {LoginKey} from '../records/store.ts'
import type {Context} from './context.ts'
import {homeDirectory} from './home-directory.ts'
import {readInputFile} from './input-file.ts'

const MINUTE_MS = 60_000
const LOGIN_HINT = 'holdfast login --cf API'

/** What is remembered of a login, without its secrets. */
interface RememberedTarget {
  readonly api: string
  readonly login: string
  readonly clientId: string
  readonly grantType: SessionState['grantType']
  readonly insecure: boolean
  readonly organization?: NamedGuid | undefined
  readonly space?: NamedGuid | undefined
}

/** What the keychain keeps of it. */
interface KeptSecrets {
  readonly accessToken?: string | undefined
  readonly refreshToken?: string | undefined
  readonly clientSecret?: string | undefined
}

export async function cloudFoundryNetwork(context: Context): Promise<CloudFoundryNetwork> {
  const {proxyFor, userAgent, onExchange} = await context.loginNetwork()
  const {signal, environment} = context
  const ca = environment.HOLDFAST_CF_CA_FILE ? (await readInputFile(environment.HOLDFAST_CF_CA_FILE, signal)).toString('utf8') : undefined
  return {proxyFor, userAgent, onExchange, signal, ca, now: () => new Date(), sleep: (ms) => SYSTEM_CLOCK.sleep(ms, signal)}
}

/** Where a session of ours is in the keychain; no login of a registry stands there. */
function secretsKey(api: string): LoginKey {
  return {registry: parseRegistryHost(new URL(api).host), account: 'session of Cloud Foundry'}
}

/** Keeps a session: what is secret in the keychain, the rest in the records. */
export async function keepSession(context: Context, {accessToken, refreshToken, clientSecret, ...target}: SessionState): Promise<void> {
  const secrets: KeptSecrets = {
    accessToken: accessToken?.reveal(),
    refreshToken: refreshToken?.reveal(),
    clientSecret: clientSecret?.reveal(),
  }
  await (await context.keychain()).writeSecret(secretsKey(target.api), new Secret(JSON.stringify(secrets)))
  await (await context.records()).saveSetting('cloud-foundry', JSON.stringify(target))
}

/** Forgets the session; answers its API, undefined when there was none. */
export async function forgetSession(context: Context): Promise<string | undefined> {
  const target = await rememberedTarget(context)
  if (target === undefined) return undefined
  await (await context.keychain()).deleteSecret(secretsKey(target.api))
  await (await context.records()).saveSetting('cloud-foundry', undefined)
  return target.api
}

/** The session of ours, without its secrets. */
export async function rememberedTarget(context: Context): Promise<RememberedTarget | undefined> {
  const text = await (await context.records()).readSetting('cloud-foundry')
  // Written by `keepSession` alone.
  return text === undefined ? undefined : (JSON.parse(text) as RememberedTarget)
}

function createKeychainSession(context: Context, target: RememberedTarget): SessionStore {
  const key = secretsKey(target.api)
  const read = async (): Promise<KeptSecrets> => {
    const secret = await (await context.keychain()).readSecret(key)
    if (secret !== undefined) return JSON.parse(secret.reveal()) as KeptSecrets
    throw new HoldfastError('CREDENTIAL_NOT_FOUND', `cannot ask "${target.api}": the keychain has lost the session`, {hints: [LOGIN_HINT]})
  }
  return {
    loginHint: LOGIN_HINT,
    async load() {
      const {accessToken, refreshToken, clientSecret} = await read()
      return {...target, accessToken: secretOf(accessToken), refreshToken: secretOf(refreshToken), clientSecret: secretOf(clientSecret)}
    },
    async saveTokens({accessToken, refreshToken}: RenewedTokens) {
      const kept = await read()
      const renewed: KeptSecrets = {
        ...kept,
        accessToken: accessToken.reveal(),
        refreshToken: refreshToken?.reveal() ?? kept.refreshToken,
      }
      await (await context.keychain()).writeSecret(key, new Secret(JSON.stringify(renewed)))
    },
  }
}

function secretOf(text: string | undefined): Secret | undefined {
  return text === undefined ? undefined : new Secret(text)
}

interface OpenSession {
  readonly store: SessionStore
  readonly target: Omit<RememberedTarget, 'login' | 'clientId' | 'grantType'>
}

/** Ours before that of cf; undefined where there is neither. */
async function findSession(context: Context): Promise<OpenSession | undefined> {
  const own = await rememberedTarget(context)
  if (own !== undefined) return {store: createKeychainSession(context, own), target: own}
  const file = sessionFile(context.environment.CF_HOME || homeDirectory())
  const session = await readCfSession(file)
  return session === undefined ? undefined : {store: createSessionFileStore(file), target: session}
}

/** Opens the Cloud Controller of a session. */
export async function openController(
  context: Context,
  {store, target}: OpenSession,
  onWarning?: (warning: string) => void,
): Promise<Controller> {
  const [{createController}, {createSession}, network] = await Promise.all([
    import('../cloud-foundry/controller.ts'),
    import('../cloud-foundry/session.ts'),
    cloudFoundryNetwork(context),
  ])
  const {api, insecure} = target
  return createController({api, insecure, session: createSession(store, network), network, onWarning})
}

/** What is needed for the apps of the targeted space; undefined where no session has a space. */
export async function findFoundation(context: Context): Promise<CloudFoundryPlatformOptions | undefined> {
  const session = await findSession(context)
  return session === undefined ? undefined : await foundationOf(context, session)
}

/** @throws {HoldfastError} CONFIGURATION where no session has a space. */
export async function requireFoundation(context: Context): Promise<CloudFoundryPlatformOptions> {
  const session = await findSession(context)
  const foundation = session === undefined ? undefined : await foundationOf(context, session)
  if (foundation !== undefined) return foundation
  const reason = session === undefined ? 'nobody is logged in' : `no space is targeted at "${session.target.api}"`
  throw new HoldfastError('CONFIGURATION', `cannot work on Cloud Foundry: ${reason}`, {
    hints: [
      'cf login',
      'cf target -o ORG -s SPACE',
      'holdfast login --cf API --org ORG --space SPACE',
      '--no-cf   # the apps of this machine',
    ],
  })
}

async function foundationOf(context: Context, session: OpenSession): Promise<CloudFoundryPlatformOptions | undefined> {
  const {organization, space} = session.target
  if (organization === undefined || space === undefined) return undefined
  const [controller, network] = await Promise.all([openController(context, session), cloudFoundryNetwork(context)])
  return {controller, organization, space, network, stagingTimeoutMs: stagingTimeout(context)}
}

/** In minutes, as cf has it. */
function stagingTimeout({environment}: Context): number | undefined {
  const minutes = Number(environment.CF_STAGING_TIMEOUT || Number.NaN)
  return minutes > 0 ? minutes * MINUTE_MS : undefined
}
