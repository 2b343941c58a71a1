/** Apps as their manifest says, their files, and their start (API v3: manifests, jobs, packages of bits). */
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {requireText, textAt, valueAt} from './fields.ts'
import {poll, type Waiting} from './releases.ts'

/** Jobs of a foundation, and its looking at what was uploaded, take seconds. */
const JOB_TIMEOUT_MS = 5 * 60_000

/**
 * Makes the apps of a space what a manifest says of them: variables, routes, processes; those that are not there are made.
 * @throws {HoldfastError} PLATFORM_REFUSED with what the foundation says.
 */
export async function applyManifest(controller: Controller, spaceGuid: string, manifest: string, waiting: Waiting): Promise<void> {
  const purpose = 'apply the manifest'
  const body = {type: 'application/x-yaml', bytes: Buffer.from(manifest)}
  const job = await controller.begin('POST', `/v3/spaces/${spaceGuid}/actions/apply_manifest`, {body, purpose})
  if (job !== undefined) await awaitJob(controller, job, purpose, waiting)
}

async function awaitJob(controller: Controller, job: string, purpose: string, waiting: Waiting): Promise<void> {
  await poll(purpose, waiting, JOB_TIMEOUT_MS, async () => {
    const json = await controller.send('GET', job, {purpose})
    const state = textAt(json, 'state')
    if (state === 'COMPLETE') return true
    if (state !== 'FAILED') return undefined
    throw new HoldfastError(
      'PLATFORM_REFUSED',
      `cannot ${purpose}: ${textAt(json, 'errors', '0', 'detail') ?? 'the foundation does not say why'}`,
    )
  })
}

/**
 * Gives an app its files, packed; answers the package.
 * @throws {HoldfastError} STAGING_FAILED when the foundation cannot use them.
 */
export async function uploadFiles(
  controller: Controller,
  {guid, name}: CloudFoundryApp,
  zip: Uint8Array,
  waiting: Waiting,
): Promise<string> {
  const purpose = `give app "${name}" its files`
  const made = await controller.send('POST', '/v3/packages', {json: {type: 'bits', relationships: {app: {data: {guid}}}}, purpose})
  const packageGuid = requireText(purpose, made, 'guid')
  const form = new FormData()
  form.set('bits', new Blob([new Uint8Array(zip)], {type: 'application/zip'}), 'application.zip')
  const encoded = new Response(form)
  const type = encoded.headers.get('content-type') ?? ''
  const bytes = new Uint8Array(await encoded.arrayBuffer())
  await controller.send('POST', `/v3/packages/${packageGuid}/upload`, {body: {type, bytes}, purpose})
  return await poll(purpose, waiting, JOB_TIMEOUT_MS, async () => {
    const json = await controller.send('GET', `/v3/packages/${packageGuid}`, {purpose})
    const state = textAt(json, 'state')
    if (state === 'READY') return packageGuid
    if (state !== 'FAILED' && state !== 'EXPIRED') return undefined
    throw new HoldfastError('STAGING_FAILED', `cannot ${purpose}: the package is ${state.toLowerCase()}`, {
      hints: [shellCommand`cf logs ${name} --recent`],
    })
  })
}

export async function startApp(controller: Controller, {guid, name}: CloudFoundryApp): Promise<void> {
  await controller.send('POST', `/v3/apps/${guid}/actions/start`, {purpose: `start app "${name}"`})
}

export async function stopApp(controller: Controller, {guid, name}: CloudFoundryApp): Promise<void> {
  await controller.send('POST', `/v3/apps/${guid}/actions/stop`, {purpose: `stop app "${name}"`})
}

export interface AppHealth {
  readonly requestedState: 'started' | 'stopped'
  readonly running: number
  readonly instances: number
  readonly routes: readonly string[]
}

/** As `cf apps` shows it. */
export async function readHealth(controller: Controller, {guid, name, isStarted}: CloudFoundryApp): Promise<AppHealth> {
  const purpose = `look at app "${name}"`
  const routes: string[] = []
  for await (const route of controller.list(`/v3/apps/${guid}/routes`, {purpose})) {
    const url = textAt(route, 'url')
    if (url !== undefined) routes.push(url)
  }
  const requestedState = isStarted ? 'started' : 'stopped'
  let instances = 0
  for await (const process of controller.list(`/v3/apps/${guid}/processes`, {query: {types: 'web'}, purpose})) {
    instances += Number(valueAt(process, 'instances') ?? 0)
  }
  if (!isStarted) return {requestedState, running: 0, instances, routes}
  const stats = await controller.send('GET', `/v3/apps/${guid}/processes/web/stats`, {purpose})
  const resources: unknown = valueAt(stats, 'resources')
  const running = (Array.isArray(resources) ? resources : []).filter((one) => textAt(one, 'state') === 'RUNNING').length
  return {requestedState, running, instances, routes}
}
