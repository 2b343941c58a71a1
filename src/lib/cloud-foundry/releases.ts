/** From an image to what an app can run: package, build, droplet (API v3). */
import {HoldfastError, hasCode} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import {shellCommand} from '../core/shell.ts'
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {requireText, textAt} from './fields.ts'
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
}

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

/** The image of the newest package: what an app that was pushed and never staged is to run. */
export async function newestPackageImage(controller: Controller, {guid, name}: CloudFoundryApp): Promise<string | undefined> {
  const query = {app_guids: guid, types: 'docker', order_by: '-created_at', per_page: '1'}
  const json = await controller.send('GET', '/v3/packages', {query, purpose: `find the package of app "${name}"`})
  return textAt(json, 'resources', '0', 'data', 'image')
}

/** The password goes into the package, and comes back as stars. */
export async function createPackage(
  controller: Controller,
  {guid, name}: CloudFoundryApp,
  image: string,
  credentials: Credentials | undefined,
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
    },
    purpose,
  })
  return requireText(purpose, json, 'guid')
}

/**
 * Builds a package and waits for it.
 * @throws {HoldfastError} STAGING_FAILED with what the foundation says; TIMEOUT
 */
export async function buildPackage(
  controller: Controller,
  {name}: CloudFoundryApp,
  packageGuid: string,
  waiting: Waiting,
  timeoutMs: number,
): Promise<string> {
  const purpose = `stage app "${name}"`
  const build = await controller.send('POST', '/v3/builds', {json: {package: {guid: packageGuid}}, purpose})
  const guid = requireText(purpose, build, 'guid')
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
  return {guid: requireText(purpose, json, 'guid'), ...(image === undefined ? {} : {image})}
}
