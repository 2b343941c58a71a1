/** The instances of an app's processes, as the cells report them (API v3, process stats). */
import {hasCode} from '../core/errors.ts'
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {requireText, textAt, valueAt} from './fields.ts'

export interface InstanceCounts {
  readonly running: number
  /** Also those that no cell has taken yet. */
  readonly starting: number
  readonly crashed: number
}

/** No instance is known of. */
export const NO_INSTANCES: InstanceCounts = {running: 0, starting: 0, crashed: 0}

/** Counts the instances of a process; none for one that is gone, or of which the cells report nothing now. */
export async function countInstances(controller: Controller, {name}: CloudFoundryApp, processGuid: string): Promise<InstanceCounts> {
  let json: unknown
  try {
    json = await controller.send('GET', `/v3/processes/${processGuid}/stats`, {purpose: `look at the instances of app "${name}"`})
  } catch (error) {
    if (hasCode(error, 'OBJECT_NOT_FOUND') || hasCode(error, 'REGISTRY_UNAVAILABLE')) return NO_INSTANCES
    throw error
  }
  const resources: unknown = valueAt(json, 'resources')
  const states = (Array.isArray(resources) ? resources : []).map((one) => textAt(one, 'state'))
  const running = states.filter((state) => state === 'RUNNING').length
  const crashed = states.filter((state) => state === 'CRASHED').length
  return {running, starting: states.length - running - crashed, crashed}
}

export function areAllCrashed({running, starting, crashed}: InstanceCounts): boolean {
  return crashed > 0 && running + starting === 0
}

export interface Process {
  readonly guid: string
  /** `web`, `worker`, … */
  readonly type: string
  /** How many it is to have. */
  readonly instances: number
}

/** Every process of an app that is to have instances. */
export async function listProcesses(controller: Controller, {guid, name}: CloudFoundryApp): Promise<readonly Process[]> {
  const purpose = `find the processes of app "${name}"`
  const processes: Process[] = []
  for await (const json of controller.list(`/v3/apps/${guid}/processes`, {purpose})) {
    const instances = Number(valueAt(json, 'instances') ?? 0)
    if (instances > 0) processes.push({guid: requireText(purpose, json, 'guid'), type: requireText(purpose, json, 'type'), instances})
  }
  return processes
}
