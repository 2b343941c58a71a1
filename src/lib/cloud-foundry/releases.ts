/** From an image to what an app can run: package, build, droplet (API v3). */
import {HoldfastError, hasCode} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import {shellCommand} from '../core/shell.ts'
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {annotationsAt, requireText, textAt, valueAt} from './fields.ts'
import type {CloudFoundryNetwork} from './uaa.ts'

/** As cf waits for a build, unless CF_STAGING_TIMEOUT says otherwise. */
export const DEFAULT_STAGING_TIMEOUT_MS = 15 * 60_000
/** cf asks every three seconds; short builds are seen sooner. */
const FIRST_POLL_MS = 250
const MAX_POLL_MS = 3_000

export interface Droplet {
  readonly guid: string
  /** Absent for one that was made of source code. */
  readonly image?: string
  readonly annotations: Readonly<Record<string, string>>
  /** The package that it was built of. */
  readonly packageGuid?: string
}

export interface ImagePackage {
  readonly guid: string
  readonly image: string
  /** Who pulls it; the password comes back from nowhere. */
  readonly username?: string
  readonly isReady: boolean
  readonly annotations: Readonly<Record<string, string>>
}

/** Packages of interrupted runs are among the newest. */
const RECENT_PACKAGES = '20'

export interface Credentials {
  readonly username: string
  readonly password: Secret
}

export type Waiting = Pick<CloudFoundryNetwork, 'now' | 'sleep'>

/** Undefined for an app that was never staged. */
export async function currentDroplet(controller: Controller, {guid, name}: CloudFoundryApp): Promise<Droplet | undefined> {
  const purpose = `find what app "${name}" runs`
  try {
    return readDroplet(await controller.send('GET', `/v3/apps/${guid}/droplets/current`, {purpose}), purpose)
  } catch (error) {
    if (hasCode(error, 'OBJECT_NOT_FOUND')) return undefined
    throw error
  }
}

/** @throws {HoldfastError} OBJECT_NOT_FOUND when the foundation has let it go. */
export async function readDropletOf(controller: Controller, {name}: CloudFoundryApp, dropletGuid: string): Promise<Droplet> {
  const purpose = `find release ${dropletGuid} of app "${name}"`
  return readDroplet(await controller.send('GET', `/v3/droplets/${encodeURIComponent(dropletGuid)}`, {purpose}), purpose)
}

/** Writes annotations on a droplet; those that are not named stay. */
export async function annotateDroplet(
  controller: Controller,
  {name}: CloudFoundryApp,
  dropletGuid: string,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  const purpose = `annotate release ${dropletGuid} of app "${name}"`
  await controller.send('PATCH', `/v3/droplets/${encodeURIComponent(dropletGuid)}`, {json: {metadata: {annotations}}, purpose})
}

/** The newest packages with an image, newest first. */
export async function recentPackages(controller: Controller, {guid, name}: CloudFoundryApp): Promise<readonly ImagePackage[]> {
  const query = {app_guids: guid, types: 'docker', order_by: '-created_at', per_page: RECENT_PACKAGES}
  const json = await controller.send('GET', '/v3/packages', {query, purpose: `find the packages of app "${name}"`})
  const resources = valueAt(json, 'resources')
  return Array.isArray(resources) ? resources.flatMap((one: unknown) => readPackage(one) ?? []) : []
}

/** The droplets that were built of a package. */
export async function dropletsOf(controller: Controller, {name}: CloudFoundryApp, packageGuid: string): Promise<readonly Droplet[]> {
  const purpose = `find the releases of package ${packageGuid} of app "${name}"`
  const droplets: Droplet[] = []
  for await (const json of controller.list(`/v3/packages/${packageGuid}/droplets`, {purpose})) droplets.push(readDroplet(json, purpose))
  return droplets
}

/** Undefined for one that is gone, or has no image. */
export async function findPackage(controller: Controller, {name}: CloudFoundryApp, packageGuid: string): Promise<ImagePackage | undefined> {
  const purpose = `find package ${packageGuid} of app "${name}"`
  try {
    return readPackage(await controller.send('GET', `/v3/packages/${encodeURIComponent(packageGuid)}`, {purpose}))
  } catch (error) {
    if (hasCode(error, 'OBJECT_NOT_FOUND')) return undefined
    throw error
  }
}

/** The password goes into the package, and comes back as stars. The annotations are there as soon as the package is. */
export async function createPackage(
  controller: Controller,
  {guid, name}: CloudFoundryApp,
  image: string,
  credentials: Credentials | undefined,
  annotations: Readonly<Record<string, string>> = {},
): Promise<string> {
  const purpose = `give app "${name}" the image "${image}"`
  const json = await controller.send('POST', '/v3/packages', {
    json: {
      type: 'docker',
      relationships: {app: {data: {guid}}},
      data: {
        image,
        ...(credentials === undefined ? {} : {username: credentials.username, password: credentials.password.reveal()}),
      },
      ...(Object.keys(annotations).length === 0 ? {} : {metadata: {annotations}}),
    },
    purpose,
  })
  return requireText(purpose, json, 'guid')
}

/**
 * Gives a package other credentials and annotations; what was built of it keeps the old ones.
 * @throws {HoldfastError} PLATFORM_REFUSED by foundations of before 2023-10, which change no credentials.
 */
export async function renewPackage(
  controller: Controller,
  {name}: CloudFoundryApp,
  packageGuid: string,
  credentials: Credentials | undefined,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  await controller.send('PATCH', `/v3/packages/${packageGuid}`, {
    json: {
      ...(credentials === undefined ? {} : {username: credentials.username, password: credentials.password.reveal()}),
      metadata: {annotations},
    },
    purpose: `give package ${packageGuid} of app "${name}" its credentials`,
  })
}

/** The build of an app that is under way: a foundation builds one at a time. */
export async function activeBuild(controller: Controller, {guid, name}: CloudFoundryApp): Promise<string | undefined> {
  const query = {app_guids: guid, states: 'STAGING', per_page: '1'}
  const json = await controller.send('GET', '/v3/builds', {query, purpose: `find the build of app "${name}"`})
  return textAt(json, 'resources', '0', 'guid')
}

/** Waits until a build of another run has ended, however it ends. @throws {HoldfastError} TIMEOUT */
export async function awaitBuild(
  controller: Controller,
  {name}: CloudFoundryApp,
  buildGuid: string,
  waiting: Waiting,
  timeoutMs: number,
): Promise<void> {
  const purpose = `wait for the build of app "${name}" that is under way`
  await poll(purpose, waiting, timeoutMs, async () => {
    const json = await controller.send('GET', `/v3/builds/${buildGuid}`, {purpose})
    return textAt(json, 'state') === 'STAGING' ? undefined : true
  })
}

/**
 * Builds a package and waits for it; first for a build of another run.
 * @throws {HoldfastError} STAGING_FAILED with what the foundation says; TIMEOUT
 */
export async function buildPackage(
  controller: Controller,
  app: CloudFoundryApp,
  packageGuid: string,
  waiting: Waiting,
  timeoutMs: number,
): Promise<string> {
  const {name} = app
  const purpose = `stage app "${name}"`
  const end = waiting.now().getTime() + timeoutMs
  const guid = await beginBuild(controller, app, packageGuid, purpose, async (buildGuid) => {
    await awaitBuild(controller, app, buildGuid, waiting, Math.max(0, end - waiting.now().getTime()))
  })
  return await poll(purpose, waiting, timeoutMs, async () => {
    const json = await controller.send('GET', `/v3/builds/${guid}`, {purpose})
    const state = textAt(json, 'state')
    if (state === 'STAGED') return requireText(purpose, json, 'droplet', 'guid')
    if (state !== 'FAILED') return undefined
    throw new HoldfastError('STAGING_FAILED', `cannot ${purpose}: ${textAt(json, 'error') ?? 'the foundation does not say why'}`, {
      hints: [shellCommand`cf logs ${name} --recent`],
      details: {build: guid},
    })
  })
}

/** A foundation refuses a second build while one is under way: that one is waited for, and the build is asked for again. */
async function beginBuild(
  controller: Controller,
  app: CloudFoundryApp,
  packageGuid: string,
  purpose: string,
  waitFor: (buildGuid: string) => Promise<void>,
): Promise<string> {
  for (let hasEnded = false; ; ) {
    try {
      return requireText(purpose, await controller.send('POST', '/v3/builds', {json: {package: {guid: packageGuid}}, purpose}), 'guid')
    } catch (error) {
      if (!hasCode(error, 'PLATFORM_REFUSED')) throw error
      const other = await activeBuild(controller, app)
      if (other !== undefined) await waitFor(other)
      // It may have ended between the two requests; a second refusal has another reason.
      else if (hasEnded) throw error
      hasEnded = other === undefined
    }
  }
}

/** @throws {HoldfastError} TIMEOUT */
export async function poll<Answer>(
  purpose: string,
  {now, sleep}: Waiting,
  timeoutMs: number,
  ask: () => Promise<Answer | undefined>,
): Promise<Answer> {
  const end = now().getTime() + timeoutMs
  for (let waitMs = FIRST_POLL_MS; ; waitMs = Math.min(waitMs * 2, MAX_POLL_MS)) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (now().getTime() + waitMs > end) {
      throw new HoldfastError('TIMEOUT', `cannot ${purpose}: it was not done in ${Math.round(timeoutMs / 60_000)} minutes`, {
        hints: ['export CF_STAGING_TIMEOUT=30   # minutes', 'the same command again waits for what is under way'],
      })
    }
    await sleep(waitMs)
  }
}

export function readDroplet(json: unknown, purpose: string): Droplet {
  const image = textAt(json, 'image')
  const packageGuid = /\/v3\/packages\/([^/?]+)$/.exec(textAt(json, 'links', 'package', 'href') ?? '')?.[1]
  return {
    guid: requireText(purpose, json, 'guid'),
    annotations: annotationsAt(json),
    ...(image === undefined ? {} : {image}),
    ...(packageGuid === undefined ? {} : {packageGuid}),
  }
}

export function readPackage(json: unknown): ImagePackage | undefined {
  const [guid, image, username] = [textAt(json, 'guid'), textAt(json, 'data', 'image'), textAt(json, 'data', 'username')]
  if (guid === undefined || image === undefined) return undefined
  return {
    guid,
    image,
    isReady: textAt(json, 'state') === 'READY',
    annotations: annotationsAt(json),
    ...(username === undefined ? {} : {username}),
  }
}
