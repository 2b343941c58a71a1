/** Moving an app to a droplet: deployments (API v3), which roll it over instance by instance. */
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {requireText, textAt} from './fields.ts'
import {poll, type Waiting} from './releases.ts'

/** Rolling over many instances takes its time. */
const DEPLOYMENT_TIMEOUT_MS = 30 * 60_000

/** For an app that is not running: there is nothing to roll. */
export async function setCurrentDroplet(controller: Controller, {guid, name}: CloudFoundryApp, dropletGuid: string): Promise<void> {
  await controller.send('PATCH', `/v3/apps/${guid}/relationships/current_droplet`, {
    json: {data: {guid: dropletGuid}},
    purpose: `give app "${name}" its release`,
  })
}

/**
 * Moves a running app to a droplet, instance by instance, and waits for it.
 * @throws {HoldfastError} STAGING_FAILED when the deployment was cancelled or superseded; TIMEOUT
 */
export async function deployDroplet(
  controller: Controller,
  app: CloudFoundryApp,
  dropletGuid: string,
  waiting: Waiting,
  timeoutMs = DEPLOYMENT_TIMEOUT_MS,
): Promise<void> {
  const purpose = `deploy app "${app.name}"`
  const json = await controller.send('POST', '/v3/deployments', {
    json: {droplet: {guid: dropletGuid}, strategy: 'rolling', relationships: {app: {data: {guid: app.guid}}}},
    purpose,
  })
  await awaitDeployment(controller, app, requireText(purpose, json, 'guid'), waiting, timeoutMs)
}

/** The deployment of an app that is under way. */
export async function activeDeployment(controller: Controller, {guid, name}: CloudFoundryApp): Promise<string | undefined> {
  const query = {app_guids: guid, status_values: 'ACTIVE', order_by: '-created_at', per_page: '1'}
  const json = await controller.send('GET', '/v3/deployments', {query, purpose: `find the deployment of app "${name}"`})
  return textAt(json, 'resources', '0', 'guid')
}

export async function awaitDeployment(
  controller: Controller,
  {name}: CloudFoundryApp,
  deploymentGuid: string,
  waiting: Waiting,
  timeoutMs = DEPLOYMENT_TIMEOUT_MS,
): Promise<void> {
  const purpose = `deploy app "${name}"`
  await poll(purpose, waiting, timeoutMs, async () => {
    const json = await controller.send('GET', `/v3/deployments/${deploymentGuid}`, {purpose})
    if (textAt(json, 'status', 'value') !== 'FINALIZED') return undefined
    const reason = textAt(json, 'status', 'reason')
    if (reason === 'DEPLOYED') return true
    throw new HoldfastError('STAGING_FAILED', `cannot ${purpose}: the deployment was ${(reason ?? 'ended').toLowerCase()}`, {
      hints: [shellCommand`cf app ${name}`, shellCommand`cf logs ${name} --recent`],
      details: {deployment: deploymentGuid, reason},
    })
  })
}

/** A deployment that is under way ends, and what ran before runs again; nothing happens where there is none. */
export async function cancelDeployment(controller: Controller, {name}: CloudFoundryApp, deploymentGuid: string): Promise<void> {
  await controller.send('POST', `/v3/deployments/${deploymentGuid}/actions/cancel`, {purpose: `cancel the deployment of app "${name}"`})
}
