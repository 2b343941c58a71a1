/** The frame of commands that work on apps: which platform they are on, which registry is the cache, and what the platform pulls from it with. */
import * as Flags from '@oclif/core/flags'
import type {CheckDependencies} from '../apps/check-app.ts'
import type {Platform, PullCredentials} from '../apps/platform.ts'
import {rememberedCopy} from '../apps/remembered-copy.ts'
import type {RollbackDependencies} from '../apps/rollback-app.ts'
import {referenceOf} from '../apps/running.ts'
import type {StageDependencies} from '../apps/stage-app.ts'
import {DEFAULT_RECHECK_MS} from '../caching/recheck.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'
import {shellCommand} from '../core/shell.ts'
import {escapeText} from '../core/terminal-text.ts'
import {formatReference, manifestReference, type Reference} from '../oci/reference.ts'
import type {OpenedPlatform, PlatformPlace, RolloutOptions} from './app-platform.ts'
import {BaseCommand} from './base-command.ts'
import {describeCheck} from './cached-report.ts'
import {CF_SECRET_FLAG} from './cloud-foundry-flags.ts'
import type {Context} from './context.ts'
import {type EachApp, type EachAppRequest, forEachApp} from './each-app.ts'
import {GLOBAL_FLAGS, type GlobalFlags} from './global-flags.ts'
import {mirrorPlaces} from './mirror-places.ts'
import {createProgress} from './progress.ts'
import {describeProgress, describeUnderWay, type RolloutFlags, readRollout} from './rollout-flags.ts'
import {sharedRecords} from './shared-records.ts'
import {readSecret} from './standard-input.ts'
import type {AccessFlags} from './transfer-flags.ts'

export const PLATFORM_FLAGS = {
  ...CF_SECRET_FLAG,
  cf: Flags.boolean({
    allowNo: true,
    env: 'HOLDFAST_CF',
    helpGroup: 'PLATFORM',
    summary:
      'Work on the apps of the targeted space of Cloud Foundry, or, with --no-cf, of this machine. Default: Cloud Foundry where there is a session.',
  }),
}

export interface PlatformFlags {
  readonly cf?: boolean | undefined
  readonly 'cf-secret-stdin'?: boolean | undefined
}

export const CACHE_FLAGS = {
  to: Flags.string({
    env: 'HOLDFAST_TO',
    helpValue: 'REGISTRY',
    summary: 'The cache: the name of a declared registry, or HOST[:PORT]; the default registry when absent.',
  }),
  'pull-username': Flags.string({
    env: 'HOLDFAST_PULL_USERNAME',
    helpGroup: 'PLATFORM',
    helpValue: 'NAME',
    summary: 'Who the platform is at the cache; the password is HOLDFAST_PULL_PASSWORD, or read with --pull-password-stdin.',
  }),
  'pull-password-stdin': Flags.boolean({
    helpGroup: 'PLATFORM',
    dependsOn: ['pull-username'],
    exclusive: ['cf-secret-stdin'],
    summary: 'Read the password that the platform pulls with from standard input.',
  }),
}

export interface CacheFlags extends AccessFlags, GlobalFlags {
  readonly to?: string | undefined
  readonly 'pull-username'?: string | undefined
  readonly 'pull-password-stdin'?: boolean | undefined
}

/** Its result says which platform, and which space, it was about. */
export abstract class StagingCommand<Result extends PlatformPlace> extends BaseCommand<Result> {
  static override readonly baseFlags = {...GLOBAL_FLAGS, ...PLATFORM_FLAGS}

  /** Flags of a rollout count where the command has them. */
  protected async openPlatform(flags: PlatformFlags & GlobalFlags & RolloutFlags): Promise<OpenedPlatform> {
    const {openPlatform} = await import('./app-platform.ts')
    return await openPlatform(this.openContext(flags), flags.cf, this.rollout(flags))
  }

  /** How apps are moved, and who is told how far that has come. */
  protected rollout(flags: PlatformFlags & GlobalFlags & RolloutFlags): RolloutOptions {
    const rollout = readRollout(flags, this.openContext(flags).environment)
    return {rollout, onProgress: (progress) => this.output.note(describeProgress(progress))}
  }

  /** Says what is left to do for an app that is still being moved. */
  protected noteUnderWay(app: string, underWay: 'deploying' | 'paused' | undefined): void {
    const note = describeUnderWay(app, underWay)
    if (note !== undefined) this.output.note(note)
  }

  /** Of the app that is worked on. */
  protected readonly onStep = (step: string, left: string): void => {
    this.left = left
    this.output.note(escapeText(step))
  }

  /** What stays of the app that is worked on when the command stops now; undefined when nothing of it was changed. */
  protected left: string | undefined

  /** @see forEachApp */
  protected async forEachApp<Outcome>(request: Omit<EachAppRequest<Outcome>, 'leaves' | 'left'>): Promise<EachApp<Outcome>> {
    const run = async (app: string, platform: Platform): Promise<Outcome> => {
      this.left = undefined
      return await request.run(app, platform)
    }
    return await forEachApp({...request, run, leaves: this.leaves, left: () => this.left})
  }

  /** What going back works with: the cache is opened only where there are credentials for it. */
  protected async rollbackDependencies(
    flags: CacheFlags & PlatformFlags & RolloutFlags,
  ): Promise<{readonly dependencies: RollbackDependencies; readonly place: PlatformPlace}> {
    const context = this.openContext(flags)
    const pullCredentials = await readPullCredentials(flags, context)
    const [{platform, place}, records] = await Promise.all([this.openPlatform(flags), context.records()])
    const dependencies: RollbackDependencies = {
      platform,
      pullCredentials,
      onStep: this.onStep,
      findCopy: (image) => rememberedCopy(records, image),
      assertPullable: (image, credentials) => assertPullable(context, image, credentials),
      openRegistry: async () => (await context.openTarget(flags.to)).registry,
    }
    return {dependencies, place}
  }

  /** What looking at apps works with: nothing is changed, and the cache is opened only where there are credentials for it. */
  protected async checkDependencies(
    flags: CacheFlags & PlatformFlags,
  ): Promise<{readonly dependencies: CheckDependencies; readonly place: PlatformPlace}> {
    const context = this.openContext(flags)
    const pullCredentials = await readPullCredentials(flags, context)
    const [{platform, place}, records] = await Promise.all([this.openPlatform(flags), context.records()])
    const dependencies: CheckDependencies = {
      platform,
      pullCredentials,
      ...(pullCredentials === undefined ? {} : {registry: (await context.openTarget(flags.to)).registry}),
      findCopy: (image) => rememberedCopy(records, image),
      assertPullable: (image, credentials) => assertPullable(context, image, credentials),
      assertReadable: (image) => assertReadable(context, image),
    }
    return {dependencies, place}
  }

  /** What staging works with. */
  protected async stagingDependencies(
    flags: CacheFlags & PlatformFlags & RolloutFlags,
  ): Promise<{readonly dependencies: StageDependencies; readonly place: PlatformPlace}> {
    const context = this.openContext(flags)
    const pullCredentials = await readPullCredentials(flags, context)
    const [{cacheImages}, {platform, place}, target, records] = await Promise.all([
      import('../caching/cache-images.ts'),
      this.openPlatform(flags),
      context.openTarget(flags.to),
      sharedRecords(context, (message) => this.output.warn(escapeText(message))),
    ])
    const now = (): Date => new Date()
    const {output} = this
    const dependencies: StageDependencies = {
      platform,
      registry: target.registry,
      prefix: target.prefix,
      pullCredentials,
      now,
      onWarning: (message) => output.warn(escapeText(message)),
      isThere: async (image) => {
        const store = image.registry === target.registry ? target.store : await context.openSource(image)
        return (await store.statManifest(image.repository, manifestReference(image), {signal: context.signal})) !== undefined
      },
      onStep: this.onStep,
      async cache(source, {name: app, owner}, own) {
        if (target.isEmbedded && platform.kind === 'cloud-foundry') {
          throw new HoldfastError(
            'CONFIGURATION',
            `cannot stage app "${app}": the embedded registry is on this machine, where ${platform.description} cannot pull`,
            {
              hints: [
                shellCommand`holdfast stage ${app} --to REGISTRY`,
                'holdfast registry add internal https://registry.example.com --default',
              ],
            },
          )
        }
        const copies = own.flatMap((text) => referenceOf(text) ?? [])
        if (owner !== undefined) for (const copy of copies) await records.adoptCachedImages(copy, app, owner)
        const progress = createProgress(output)
        const [outcome] = await cacheImages(
          {sources: [source], registry: target.registry, prefix: target.prefix, app, owner, recheckMs: DEFAULT_RECHECK_MS},
          {
            target: target.store,
            openSource: (reference) => context.openSource(reference),
            records,
            now,
            findInMirror: mirrorPlaces(context),
            listener: progress.listener,
            openForChecks: target.openForChecks,
            onCheck: (event) => output.warn(describeCheck(event)),
            signal: context.signal,
          },
        ).finally(progress.stop)
        if (outcome?.status === 'cached') return outcome.image
        throw outcome?.error
      },
      assertPullable: (image, credentials) => (target.isEmbedded ? Promise.resolve() : assertPullable(context, image, credentials)),
      async originCredentials(source, app) {
        const credentials = await originCredentials(context, source, app)
        if (platform.kind === 'cloud-foundry') await assertOriginPullable(context, source, credentials, app)
        return credentials
      },
      findCopy: (image) => rememberedCopy(records, image),
    }
    return {dependencies, place}
  }
}

/** @throws {HoldfastError} USAGE for a name without a password. */
async function readPullCredentials(flags: CacheFlags, {environment}: Context): Promise<PullCredentials | undefined> {
  const username = flags['pull-username']
  if (username === undefined) return undefined
  if (flags['pull-password-stdin']) return {username, password: await readSecret('--pull-password-stdin')}
  const password = environment.HOLDFAST_PULL_PASSWORD
  if (password) return {username, password: new Secret(password)}
  throw new HoldfastError('USAGE', `cannot let the platform pull as "${username}": its password is missing`, {
    hints: ['--pull-password-stdin < FILE', 'export HOLDFAST_PULL_PASSWORD=…'],
  })
}

/** Looks at an image with these credentials and no others. */
async function statAs(context: Context, image: Reference, credentials: PullCredentials | undefined): Promise<unknown> {
  const store = await context.openHostAs(
    image.registry,
    credentials === undefined ? undefined : {kind: 'basic', username: credentials.username, password: credentials.password.reveal()},
  )
  return await store.statManifest(image.repository, manifestReference(image))
}

/** Looks at the image as the platform will, with its credentials alone. */
async function assertPullable(context: Context, image: Reference, credentials: PullCredentials | undefined): Promise<void> {
  try {
    if ((await statAs(context, image, credentials)) !== undefined) return
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    const who = credentials === undefined ? 'without credentials' : `as "${credentials.username}"`
    throw new HoldfastError(error.code, `cannot pull "${formatReference(image)}" ${who}, as the platform would: ${error.message}`, {
      hints: ['--pull-username NAME --pull-password-stdin < FILE   # an account of the cache that may pull, best a service'],
      details: error.details,
      cause: error,
    })
  }
  throw new HoldfastError(
    'MANIFEST_NOT_FOUND',
    `cannot pull "${formatReference(image)}" as the platform would: its registry has no such image`,
  )
}

/** Looks at the image with what Holdfast has for its registry. */
async function assertReadable(context: Context, image: Reference): Promise<void> {
  const store = await context.openSource(image)
  if ((await store.statManifest(image.repository, manifestReference(image), {signal: context.signal})) !== undefined) return
  throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot find "${formatReference(image)}": its registry has no such image`)
}

/**
 * What an origin is shown by a platform that goes back to it.
 * @throws {HoldfastError} NO_IDENTITY_TOKEN where only a token is kept, which platforms cannot use.
 */
async function originCredentials(context: Context, source: Reference, app: string): Promise<PullCredentials | undefined> {
  const lookup = await context.credentials()
  const found = await lookup(source.registry, source.repository)
  if (found === undefined) return undefined
  if (found.kind === 'basic') return {username: found.username, password: new Secret(found.password)}
  throw new HoldfastError(
    'USAGE',
    `cannot let the platform pull from "${source.registry}": a token is kept for it, and platforms want a name and a password`,
    {hints: originHints(source, app)},
  )
}

/**
 * Looks at the image of the user as the platform will, before anything is changed. An origin that this machine cannot reach may be open to the platform, which says so then.
 * @throws {HoldfastError} UNAUTHENTICATED, DENIED
 */
async function assertOriginPullable(
  context: Context,
  source: Reference,
  credentials: PullCredentials | undefined,
  app: string,
): Promise<void> {
  try {
    await statAs(context, source, credentials)
  } catch (error) {
    if (!(error instanceof HoldfastError) || (error.code !== 'UNAUTHENTICATED' && error.code !== 'DENIED')) {
      if (hasCode(error, 'INTERRUPTED') || !(error instanceof HoldfastError)) throw error
      return
    }
    const who = credentials === undefined ? 'without credentials' : `as "${credentials.username}"`
    throw new HoldfastError(
      error.code,
      `cannot give app "${app}" its image "${formatReference(source)}" back: the platform could not pull it ${who}: ${error.message}`,
      {
        hints: originHints(source, app),
        details: error.details,
        cause: error,
      },
    )
  }
}

/** The release before has the credentials that it was made with. */
function originHints(source: Reference, app: string): readonly string[] {
  const variable = `HOLDFAST_AUTH_${source.registry.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
  return [
    `export ${variable}_USERNAME=… ${variable}_PASSWORD=…   # then the same command again`,
    `${shellCommand`holdfast rollback ${app}`}   # needs no credentials: the release before keeps its own`,
  ]
}
