/** The way to Cloud Foundry: the session that variables describe, else that of `holdfast login --cf`, in the keychain, else that of the cf command line; and what is targeted. */
import type {CloudFoundryPlatformOptions} from '../apps/cloud-foundry-platform.ts'
import type {Controller} from '../cloud-foundry/controller.ts'
import {createMemorySession, type NamedGuid, type SessionState, type SessionStore} from '../cloud-foundry/session.ts'
import {createSessionFileStore, readCfSession, sessionFile} from '../cloud-foundry/session-file.ts'
import type {RenewedTokens} from '../cloud-foundry/uaa.ts'
import {HoldfastError} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'
import {shellCommand, shellWord} from '../core/shell.ts'
import {parseRegistryHost} from '../oci/reference.ts'
import type {LoginKey} from '../records/store.ts'
import {cloudFoundryNetwork} from './cloud-foundry-network.ts'
import {openVariableSession} from './cloud-foundry-variables.ts'
import type {Context} from './context.ts'
import {homeDirectory} from './home-directory.ts'
import type {Settings} from './settings.ts'

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

/** Targets another space with a session of ours. */
export async function keepTarget(
  context: Context,
  target: {readonly organization: NamedGuid; readonly space?: NamedGuid | undefined},
): Promise<void> {
  const remembered = await rememberedTarget(context)
  if (remembered === undefined) return
  const {space: _, ...rest} = remembered
  await (await context.records()).saveSetting('cloud-foundry', JSON.stringify({...rest, ...target}))
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

/** Where a session is from, the first of them that there is. */
export type SessionKind = 'variables' | 'holdfast' | 'cf'

export interface OpenSession {
  readonly kind: SessionKind
  readonly store: SessionStore
  readonly target: Omit<RememberedTarget, 'login' | 'clientId' | 'grantType'>
}

/** That of variables before ours before that of cf; undefined where there is none. @throws {HoldfastError} as `openVariableSession`, `readCfSession`. */
export async function findSession(context: Context, otherHints: readonly string[] = []): Promise<OpenSession | undefined> {
  const ofVariables = await openVariableSession(context)
  if (ofVariables !== undefined) {
    return {kind: 'variables', store: createMemorySession(ofVariables, 'export HOLDFAST_CF_PASSWORD=…'), target: ofVariables}
  }
  const own = await rememberedTarget(context)
  if (own !== undefined) return {kind: 'holdfast', store: createKeychainSession(context, own), target: own}
  const file = sessionFile(context.environment.CF_HOME || homeDirectory())
  const session = await readCfSession(file, otherHints)
  return session === undefined ? undefined : {kind: 'cf', store: createSessionFileStore(file), target: session}
}

/** The command that targets a space. */
export function targetHint(kind: SessionKind, organization = 'ORG', space = 'SPACE'): string {
  if (kind === 'variables') return `export HOLDFAST_CF_ORG=${shellWord(organization)} HOLDFAST_CF_SPACE=${shellWord(space)}`
  return shellCommand`${kind} target -o ${organization} -s ${space}`
}

/** What a session targets, or HOLDFAST_CF_ORG and HOLDFAST_CF_SPACE instead. @throws {HoldfastError} OBJECT_NOT_FOUND */
export async function readTarget(
  {cloudFoundry}: Settings,
  {target}: OpenSession,
  controller: Controller,
): Promise<{readonly organization?: NamedGuid | undefined; readonly space?: NamedGuid | undefined}> {
  const {organization: organizationName, space: spaceName} = cloudFoundry
  if (organizationName === undefined && spaceName === undefined) return target
  const {findOrganization, findSpace} = await import('../cloud-foundry/targets.ts')
  const organization = organizationName === undefined ? target.organization : await findOrganization(controller, organizationName)
  // A space of the session is one of its org.
  if (organization === undefined || spaceName === undefined) return {organization}
  return {organization, space: await findSpace(controller, organization, spaceName)}
}

/** Opens the Cloud Controller of a session. */
export async function openController(
  context: Context,
  {store, target}: Pick<OpenSession, 'store' | 'target'>,
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

/** A foundation with the space that is worked on. */
export interface Foundation extends CloudFoundryPlatformOptions {
  readonly space: NamedGuid
  readonly organization: NamedGuid
}

/**
 * What is needed for the apps of the targeted space; undefined where there is no session at all.
 * @throws {HoldfastError} CONFIGURATION for a session without a space: no other platform can have been meant; as `readCfSession`.
 */
export async function findFoundation(context: Context, otherHints: readonly string[] = []): Promise<Foundation | undefined> {
  const session = await findSession(context, otherHints)
  return session === undefined ? undefined : await foundationOf(context, session, otherHints)
}

/** @throws {HoldfastError} CONFIGURATION where no session has a space. */
export async function requireFoundation(context: Context, otherHints: readonly string[] = []): Promise<Foundation> {
  const foundation = await findFoundation(context, otherHints)
  if (foundation !== undefined) return foundation
  throw new HoldfastError('CONFIGURATION', 'cannot work on Cloud Foundry: there is no session', {
    hints: [
      'cf login',
      'holdfast login --cf API --org ORG --space SPACE',
      'export HOLDFAST_CF_API=… HOLDFAST_CF_USERNAME=… HOLDFAST_CF_PASSWORD=…',
      ...otherHints,
    ],
  })
}

async function foundationOf(context: Context, session: OpenSession, otherHints: readonly string[]): Promise<Foundation> {
  const [controller, network] = await Promise.all([openController(context, session), cloudFoundryNetwork(context)])
  const {organization, space} = await readTarget(context.settings, session, controller)
  if (organization !== undefined && space !== undefined) {
    return {controller, organization, space, network, stagingTimeoutMs: stagingTimeout(context)}
  }
  throw new HoldfastError('CONFIGURATION', `cannot work on Cloud Foundry: no space is targeted at "${session.target.api}"`, {
    hints: [targetHint(session.kind, organization?.name), ...otherHints],
  })
}

/** In minutes, as cf has it. */
function stagingTimeout({environment}: Context): number | undefined {
  const minutes = Number(environment.CF_STAGING_TIMEOUT || Number.NaN)
  return minutes > 0 ? minutes * MINUTE_MS : undefined
}
