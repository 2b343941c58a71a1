/** What many apps run and are being moved to, in a few requests for all of them: a request for each app would take minutes in a large space. */
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {type Deployment, readDeployment} from './deployments.ts'
import {requireText} from './fields.ts'
import {type Droplet, type ImagePackage, readDroplet, readPackage} from './releases.ts'

/** How many GUIDs one request names: the URL must fit into 8 kB. */
const GUIDS_PER_REQUEST = 100

export interface SurveyedApp {
  readonly droplet?: Droplet
  /** What the droplet was built of, for one of an image that is pinned. */
  readonly dropletPackage?: ImagePackage
  /** The newest package, for an app without a droplet. */
  readonly newestPackage?: ImagePackage
  /** The deployment that is under way. */
  readonly deployment?: Deployment
}

/** By the GUID of the app; every app is in it. */
export async function surveyApps(controller: Controller, apps: readonly CloudFoundryApp[]): Promise<ReadonlyMap<string, SurveyedApp>> {
  const withoutDroplet = apps.filter(({dropletGuid}) => dropletGuid === undefined)
  const [droplets, newest, deployments] = await Promise.all([
    findDroplets(controller, apps),
    findPackages(
      controller,
      'app_guids',
      withoutDroplet.map(({guid}) => guid),
    ),
    findDeployments(controller, apps),
  ])
  const pinned = [...droplets.values()].filter(({image}) => image?.includes('@'))
  const packages = await findPackages(
    controller,
    'guids',
    pinned.flatMap(({packageGuid}) => packageGuid ?? []),
  )
  return new Map(
    apps.map(({guid, dropletGuid}) => {
      const droplet = droplets.get(dropletGuid ?? '')
      const [dropletPackage, newestPackage, deployment] = [
        packages.get(droplet?.packageGuid ?? ''),
        newest.get(guid),
        deployments.get(guid),
      ]
      return [
        guid,
        {
          ...(droplet === undefined ? {} : {droplet}),
          ...(dropletPackage === undefined ? {} : {dropletPackage}),
          ...(newestPackage === undefined ? {} : {newestPackage}),
          ...(deployment === undefined ? {} : {deployment}),
        },
      ]
    }),
  )
}

async function findDroplets(controller: Controller, apps: readonly CloudFoundryApp[]): Promise<ReadonlyMap<string, Droplet>> {
  const purpose = 'find what apps run'
  const found = new Map<string, Droplet>()
  for (const guids of chunksOf(apps.flatMap(({dropletGuid}) => dropletGuid ?? []))) {
    for await (const json of controller.list('/v3/droplets', {query: {guids}, purpose})) {
      const droplet = readDroplet(json, purpose)
      found.set(droplet.guid, droplet)
    }
  }
  return found
}

/** By their own GUIDs, or the newest of each app by the app's. */
async function findPackages(
  controller: Controller,
  filter: 'guids' | 'app_guids',
  guids: readonly string[],
): Promise<ReadonlyMap<string, ImagePackage>> {
  const purpose = 'find the packages of apps'
  const found = new Map<string, ImagePackage>()
  for (const chunk of chunksOf(guids)) {
    // Oldest first: the newest one stays.
    const query = {[filter]: chunk, types: 'docker', order_by: 'created_at'}
    for await (const json of controller.list('/v3/packages', {query, purpose})) {
      const one = readPackage(json)
      if (one !== undefined) found.set(filter === 'guids' ? one.guid : appOf(purpose, json), one)
    }
  }
  return found
}

async function findDeployments(controller: Controller, apps: readonly CloudFoundryApp[]): Promise<ReadonlyMap<string, Deployment>> {
  const purpose = 'find the deployments of apps'
  const found = new Map<string, Deployment>()
  for (const guids of chunksOf(apps.map(({guid}) => guid))) {
    const query = {app_guids: guids, status_values: 'ACTIVE', order_by: 'created_at'}
    for await (const json of controller.list('/v3/deployments', {query, purpose})) {
      found.set(appOf(purpose, json), readDeployment(purpose, json))
    }
  }
  return found
}

function appOf(purpose: string, json: unknown): string {
  return requireText(purpose, json, 'relationships', 'app', 'data', 'guid')
}

/** Values of a filter, as many at a time as one request may name. */
function chunksOf(guids: readonly string[]): readonly string[] {
  return Array.from({length: Math.ceil(guids.length / GUIDS_PER_REQUEST)}, (_, index) =>
    guids.slice(index * GUIDS_PER_REQUEST, (index + 1) * GUIDS_PER_REQUEST).join(','),
  )
}
